from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from worker.contract.job_config import JobRequest, JobStatus
from worker.contract.settings import ServiceSettings
from worker.store import NotFound, RequestedAction, Store
from worker.store.database.errors import Conflict, InvalidCursor, QueueFull, TooManyJobs


def claim(store, job):
    return store.leases.claim(job.id, "worker-1", threads=2)


def test_a_submitted_job_waits_with_what_was_asked_for(store, dataset):
    request = JobRequest.model_validate(
        {"dataset": dataset.id, "name": "first", "labels": {"team": "x"}, "training": {"seed": 7}}
    )
    job = store.jobs.submit(request, {"training": {"batch_size": 16}}).job
    assert store.jobs.get(job.id) == job
    assert (job.status, job.name, job.labels, job.seed) == (JobStatus.QUEUED, "first", {"team": "x"}, 7)
    assert job.config == request.config.to_dict()
    assert job.resolved == {"training": {"batch_size": 16}}
    assert (job.attempt.number, job.attempt.max, job.live, job.model_id) == (0, 5, None, None)
    assert [event.type for event in store.jobs.events(job.id)] == ["submitted"]


def test_unknown_jobs_are_not_found(store):
    for ask in (
        store.jobs.get,
        store.controls.cancel,
        store.jobs.delete,
        store.jobs.assignment,
        store.jobs.metrics,
        store.jobs.events,
        store.jobs.checkpoints,
    ):
        with pytest.raises(NotFound) as raised:
            ask("job_none")
        assert raised.value.code == "job_not_found"


def test_a_job_on_an_unknown_dataset_or_model_is_refused(store, dataset):
    with pytest.raises(NotFound, match="dataset"):
        store.jobs.submit(JobRequest(dataset="ds_none"), {})
    request = JobRequest.model_validate(
        {"dataset": dataset.id, "assignment": {"init": "model", "model": "@best"}}
    )
    with pytest.raises(NotFound, match="alias"):
        store.jobs.submit(request, {})
    assert store.jobs.list().items == []


def test_one_idempotency_key_makes_one_job_even_when_sent_at_the_same_moment(store, dataset):
    def send(_):
        request = JobRequest(dataset=dataset.id)
        return store.jobs.submit(request, {}, idempotency_key="key", request_digest="a")

    with ThreadPoolExecutor(8) as pool:
        submissions = list(pool.map(send, range(16)))
    assert len({submission.job.id for submission in submissions}) == 1
    assert sorted(submission.replayed for submission in submissions) == [False] + [True] * 15


def test_an_idempotency_key_is_not_used_for_another_request(store, dataset):
    request = JobRequest(dataset=dataset.id)
    store.jobs.submit(request, {}, idempotency_key="key", request_digest="a")
    with pytest.raises(Conflict) as raised:
        store.jobs.submit(request, {}, idempotency_key="key", request_digest="b")
    assert raised.value.code == "idempotency_key_reused"


def test_a_full_queue_takes_no_more_jobs(settings, dataset):
    store = Store.open(ServiceSettings(**(settings.model_dump() | {"max_queued_jobs": 1})))
    store.jobs.submit(JobRequest(dataset=dataset.id), {})
    with pytest.raises(QueueFull):
        store.jobs.submit(JobRequest(dataset=dataset.id), {})
    store.close()


def test_a_key_has_a_share_of_unfinished_jobs_and_a_repeated_request_is_none(settings, dataset):
    store = Store.open(ServiceSettings(**(settings.model_dump() | {"max_jobs_per_key": 1})))
    request = JobRequest(dataset=dataset.id)
    asked = {"idempotency_key": "once", "request_digest": "a", "key_id": "key_1"}
    first = store.jobs.submit(request, {}, **asked)
    assert store.jobs.submit(request, {}, **asked).job == first.job
    with pytest.raises(TooManyJobs):
        store.jobs.submit(request, {}, key_id="key_1")
    store.jobs.submit(request, {}, key_id="key_2")
    store.controls.cancel(first.job.id)
    store.jobs.submit(request, {}, key_id="key_1")
    store.close()


def test_pages_show_every_job_once_newest_first(store, submit):
    made = [submit().id for _ in range(5)]
    shown, cursor = [], None
    while True:
        page = store.jobs.list(limit=2, cursor=cursor)
        shown += [job.id for job in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert shown == made[::-1]


def test_lists_are_filtered_by_status_labels_and_dataset(store, submit, add_dataset):
    other = add_dataset(seed=1)
    plain = submit()
    labelled = submit(labels={"team": "x", "stage": "try"})
    elsewhere = submit(dataset=other.id, labels={"team": "x"})
    store.controls.cancel(plain.id)

    def ids(**filters):
        return [job.id for job in store.jobs.list(**filters).items]

    assert ids(status=JobStatus.CANCELLED) == [plain.id]
    assert ids(labels={"team": "x"}) == [elsewhere.id, labelled.id]
    for labels in ({"team": "x", "stage": "try"}, {"stage": "try", "team": "x"}):
        assert ids(labels=labels) == [labelled.id]
    newest = store.jobs.list(labels={"team": "x"}, limit=1)
    assert ids(labels={"team": "x"}, cursor=newest.next_cursor) == [labelled.id]
    assert ids(labels={"team": "y"}) == []
    assert ids(dataset=other.id, status=JobStatus.QUEUED) == [elsewhere.id]


@pytest.mark.parametrize("filters", [{}, {"status": "failed"}, {"dataset": "x"}, {"labels": {"team": "x"}}])
def test_a_page_is_read_in_its_order_whatever_the_list_is_filtered_by(tmp_path, filters):
    store = Store.open(ServiceSettings(data_dir=tmp_path))
    steps = []

    def explain(connection, _cursor, statement, parameters, *_):
        if statement.startswith("SELECT"):
            steps.extend(connection.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", explain)
    store.jobs.list(cursor="c1", **filters)
    sa.event.remove(sa.Engine, "before_cursor_execute", explain)
    store.close()
    assert steps != []
    assert [
        step for *_, step in steps if not step.startswith("SEARCH")
    ] == []  # no scan, and nothing is sorted


@pytest.mark.parametrize("cursor", ["", "x", "djE6eA", "djE6LTE", "ü", "djE6" + "OTk5" * 20])
def test_a_made_up_cursor_is_refused(store, cursor):
    with pytest.raises(InvalidCursor):
        store.jobs.list(cursor=cursor)


def test_the_queue_position_counts_waiting_jobs_only(store, submit):
    first, second, third = submit(), submit(), submit()
    store.controls.cancel(first.id)
    assert [store.jobs.queue_position(job.id) for job in (first, second, third)] == [None, 1, 2]
    claim(store, second)
    assert [store.jobs.queue_position(job.id) for job in (second, third)] == [None, 1]
    assert store.jobs.queue_positions({first.id, third.id}) == {third.id: 1}


def test_a_waiting_job_is_cancelled_at_once(store, submit):
    job = store.controls.cancel(submit().id)
    assert (job.status, job.worker_name) == (JobStatus.CANCELLED, None)
    assert job.finished_at is not None
    assert [event.type for event in store.jobs.events(job.id)] == ["submitted", "cancelled"]
    with pytest.raises(Conflict) as raised:
        store.controls.cancel(job.id)
    assert raised.value.code == "job_ended"


def test_cancelling_a_running_job_twice_is_one_request(store, submit):
    job = submit()
    claim(store, job)
    once = store.controls.cancel(job.id)
    assert (once.status, once.requested_action) == (JobStatus.CANCELLING, RequestedAction.CANCEL)
    assert store.controls.cancel(job.id) == once
    assert [event.type for event in store.jobs.events(job.id)] == ["submitted", "started", "cancelling"]


def test_only_an_ended_job_is_deleted_and_nothing_of_it_stays(store, submit, make_progress):
    job = submit(labels={"team": "x"})
    with pytest.raises(Conflict) as raised:
        store.jobs.delete(job.id)
    assert raised.value.code == "job_not_ended"
    held = claim(store, job)
    store.recordings.record_progress(held, make_progress(1))
    directory = store.spool_dir.parent / "jobs" / job.id
    directory.mkdir(parents=True)
    (directory / "file").write_text("x")
    store.leases.cancel(held)
    store.jobs.delete(job.id)
    with pytest.raises(NotFound):
        store.jobs.get(job.id)
    assert not directory.exists()
    assert store.jobs.list(labels={"team": "x"}).items == []


def test_the_version_grows_with_what_users_see_but_not_with_heartbeats(store, submit, make_progress):
    job = submit()
    held = claim(store, job)
    started = store.jobs.get(job.id).version
    assert started > job.version
    store.leases.heartbeat(held)
    assert store.jobs.get(job.id).version == started
    store.recordings.record_progress(held, make_progress(1))
    assert store.jobs.get(job.id).version > started


def test_a_long_run_shows_its_first_and_last_metrics_and_no_more_than_asked(store, submit, make_progress):
    job = submit()
    held = claim(store, job)
    for epoch in range(1, 24):
        store.recordings.record_progress(held, make_progress(epoch, epochs=23))
    assert [record.epoch for record in store.jobs.metrics(job.id)] == list(range(1, 24))
    for max_points in (2, 5, 10, 22, 23):
        epochs = [record.epoch for record in store.jobs.metrics(job.id, max_points)]
        assert (epochs[0], epochs[-1], len(epochs)) == (1, 23, max_points)
    assert store.jobs.metrics(job.id)[4].values == {"total": 5.0}


def test_absurd_ids_and_numbers_find_nothing(store, submit):
    with pytest.raises(NotFound):
        store.jobs.get("job_\0")
    job = submit(labels={"team": "a"})
    assert store.jobs.list(labels={"team": "a\0"}).items == []
    assert store.jobs.events(job.id, after=10**30) == []
    assert store.jobs.assignment(job.id, epoch=10**30) is None


def test_events_are_read_on_from_where_a_reader_stopped(store, submit):
    job = submit()
    held = claim(store, job)
    for number in range(3):
        store.recordings.add_event(held, "warning", {"number": number})
    events = store.jobs.events(job.id, after=2, limit=2)
    assert [(event.seq, event.data["number"]) for event in events] == [(3, 0), (4, 1)]
    assert {event.data["token"] for event in events} == {held.token}
    assert store.jobs.get(job.id).event_count == 5
