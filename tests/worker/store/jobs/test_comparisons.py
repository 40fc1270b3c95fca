import threading

import pytest

from worker.contract.settings import ServiceSettings
from worker.store import JobError, LeaseLost, RequestedAction, Store
from worker.store.jobs.comparisons import MAX_ATTEMPTS

GONE = JobError(code="not_found", text="its dataset was deleted")


def is_held(store, claim):
    try:
        return store.pieces.heartbeat(claim) is RequestedAction.NONE
    except LeaseLost:
        return False


@pytest.fixture
def publish(store, submit):
    """Publishes a model of a job of its own."""

    def put(model_id, **fields):
        claim = store.leases.claim(submit(**fields).id, "worker-1", threads=1)
        store.leases.publish(claim, model_id, {"training_seconds": 1.5}, digest="abc")
        return claim.job

    return put


def test_a_published_model_is_to_be_compared_unless_its_job_said_not_to(store, publish):
    publish("model_1", report={"baselines": False})
    assert (store.comparisons.get("model_1"), store.pieces.first_due()) == (None, None)
    job = publish("model_2")
    assert store.pieces.first_due() == "model_2"
    due = store.comparisons.get("model_2")
    assert (due.document, due.error, due.is_running) == (None, None, False)
    claim = store.pieces.claim("w.1")
    assert (claim.model_id, claim.task) == ("model_2", job.config)
    assert store.comparisons.get("model_2").is_running
    assert (store.pieces.first_due(), store.pieces.claim("w.2")) == (None, None)


def test_concurrent_claims_get_different_comparisons_in_order(store, publish):
    ids = [f"model_{number}" for number in range(4)]
    for model_id in ids:
        publish(model_id)
    assert store.pieces.first_due() == "model_0"
    claims = []
    threads = [
        threading.Thread(target=lambda name=name: claims.append(store.pieces.claim(name)))
        for name in "abcdef"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claim.model_id for claim in claims if claim is not None) == ids


def test_the_first_result_stays(store, publish):
    publish("model_1")
    claim = store.pieces.claim("w.1")
    store.pieces.finish(claim, {"outcome": "better"})
    store.pieces.finish(claim, {"outcome": "worse"})
    store.pieces.fail(claim, GONE)
    done = store.comparisons.get("model_1")
    assert (done.document, done.error, done.is_running) == ({"outcome": "better"}, None, False)
    assert (store.pieces.first_due(), store.pieces.busy_workers()) == (None, set())


def test_a_failed_comparison_has_the_reason_and_is_not_retried(store, publish):
    publish("model_1")
    store.pieces.fail(store.pieces.claim("w.1"), GONE)
    failed = store.comparisons.get("model_1")
    assert (failed.document, failed.error) == (None, "its dataset was deleted")
    assert store.pieces.claim("w.1") is None


def test_a_worker_that_lost_its_claim_is_informed_and_writes_nothing(store, publish):
    publish("model_1")
    first = store.pieces.claim("w.1")
    assert is_held(store, first)
    store.pieces.release_worker("w.1")
    assert not is_held(store, first)
    second = store.pieces.claim("w.2")
    store.pieces.finish(first, {"outcome": "worse"})
    store.pieces.release(first)
    assert store.comparisons.get("model_1").is_running
    assert is_held(store, second)


def test_a_comparison_whose_workers_are_lost_again_and_again_fails(store, publish):
    publish("model_1")
    for number in range(MAX_ATTEMPTS):
        assert store.comparisons.get("model_1").error is None
        store.pieces.claim(f"w.{number}")
        store.pieces.release_worker(f"w.{number}")
    assert store.comparisons.get("model_1").error == "3 workers were lost while they made it"
    assert store.pieces.claim("w.9") is None


def test_a_released_comparison_counts_as_no_loss(store, publish):
    publish("model_1")
    for _ in range(MAX_ATTEMPTS + 1):
        store.pieces.release(store.pieces.claim("w.1"))
        store.pieces.claim("w.1.7")
        store.pieces.drain_workers("w.1.")
    assert store.pieces.first_due() == "model_1"


def test_draining_takes_only_from_the_named_workers(store, publish):
    publish("model_1")
    publish("model_2")
    own, other = store.pieces.claim("w.1.7"), store.pieces.claim("w.2.7")
    assert store.pieces.busy_workers() == {"w.1.7", "w.2.7"}
    store.pieces.drain_workers("w.1.")
    assert [is_held(store, claim) for claim in (own, other)] == [False, True]


def test_a_silent_worker_loses_its_comparison(store, publish, settings):
    quick = Store.connect(ServiceSettings(**(settings.model_dump() | {"lease_s": 0.001})))
    publish("model_1")
    silent = quick.pieces.claim("w.1")
    quick.close()
    publish("model_2")
    alive = store.pieces.claim("w.2")
    store.pieces.expire_leases()
    assert [is_held(store, claim) for claim in (silent, alive)] == [False, True]


def test_the_comparison_of_a_deleted_model_is_deleted(store, publish):
    publish("model_1")
    claim = store.pieces.claim("w.1")
    store.models.delete("model_1")
    assert not is_held(store, claim)
    store.pieces.finish(claim, {"outcome": "better"})
    assert store.comparisons.get("model_1") is None
