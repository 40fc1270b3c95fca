import threading

import pytest

from worker.contract.settings import ServiceSettings
from worker.store import Store
from worker.store.jobs.comparisons import MAX_ATTEMPTS


@pytest.fixture
def publish(store, submit):
    """Publishes a model of a job of its own."""

    def put(model_id, **fields):
        claim = store.leases.claim(submit(**fields).id, "worker-1", threads=1)
        store.leases.publish(claim, model_id, {"training_seconds": 1.5}, digest="abc")
        return claim.job

    return put


def test_a_published_model_is_to_be_compared_unless_its_job_said_not_to(store, publish, dataset):
    publish("model_1", report={"baselines": False})
    assert (store.comparisons.get("model_1"), store.comparisons.first_due()) == (None, None)
    job = publish("model_2")
    assert store.comparisons.first_due() == "model_2"
    due = store.comparisons.get("model_2")
    assert (due.document, due.error, due.is_running) == (None, None, False)
    claim = store.comparisons.claim("w.1")
    assert (claim.model_id, claim.dataset_id, claim.config) == ("model_2", dataset.id, job.config)
    assert claim.training_seconds == 1.5
    assert store.comparisons.get("model_2").is_running
    assert (store.comparisons.first_due(), store.comparisons.claim("w.2")) == (None, None)


def test_concurrent_claims_get_different_comparisons_in_order(store, publish):
    ids = [f"model_{number}" for number in range(4)]
    for model_id in ids:
        publish(model_id)
    assert store.comparisons.first_due() == "model_0"
    claims = []
    threads = [
        threading.Thread(target=lambda name=name: claims.append(store.comparisons.claim(name)))
        for name in "abcdef"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claim.model_id for claim in claims if claim is not None) == ids


def test_the_first_result_stays(store, publish):
    publish("model_1")
    claim = store.comparisons.claim("w.1")
    store.comparisons.finish(claim, {"outcome": "better"})
    store.comparisons.finish(claim, {"outcome": "worse"})
    store.comparisons.fail(claim, "no")
    done = store.comparisons.get("model_1")
    assert (done.document, done.error, done.is_running) == ({"outcome": "better"}, None, False)
    assert (store.comparisons.first_due(), store.comparisons.busy_workers()) == (None, set())


def test_a_failed_comparison_has_the_reason_and_is_not_retried(store, publish):
    publish("model_1")
    store.comparisons.fail(store.comparisons.claim("w.1"), "its dataset was deleted")
    failed = store.comparisons.get("model_1")
    assert (failed.document, failed.error) == (None, "its dataset was deleted")
    assert store.comparisons.claim("w.1") is None


def test_a_worker_that_lost_its_claim_is_informed_and_writes_nothing(store, publish):
    publish("model_1")
    first = store.comparisons.claim("w.1")
    assert store.comparisons.renew(first)
    store.comparisons.release_worker("w.1")
    assert not store.comparisons.renew(first)
    second = store.comparisons.claim("w.2")
    store.comparisons.finish(first, {"outcome": "worse"})
    store.comparisons.release(first)
    assert store.comparisons.get("model_1").is_running
    assert store.comparisons.renew(second)


def test_a_comparison_whose_workers_are_lost_again_and_again_fails(store, publish):
    publish("model_1")
    for number in range(MAX_ATTEMPTS):
        assert store.comparisons.get("model_1").error is None
        store.comparisons.claim(f"w.{number}")
        store.comparisons.release_worker(f"w.{number}")
    assert store.comparisons.get("model_1").error == "3 workers were lost while they made it"
    assert store.comparisons.claim("w.9") is None


def test_a_released_comparison_counts_as_no_loss(store, publish):
    publish("model_1")
    for _ in range(MAX_ATTEMPTS + 1):
        store.comparisons.release(store.comparisons.claim("w.1"))
        store.comparisons.claim("w.1.7")
        store.comparisons.drain_workers("w.1.")
    assert store.comparisons.first_due() == "model_1"


def test_draining_takes_only_from_the_named_workers(store, publish):
    publish("model_1")
    publish("model_2")
    own, other = store.comparisons.claim("w.1.7"), store.comparisons.claim("w.2.7")
    assert store.comparisons.busy_workers() == {"w.1.7", "w.2.7"}
    store.comparisons.drain_workers("w.1.")
    assert [store.comparisons.renew(claim) for claim in (own, other)] == [False, True]


def test_a_silent_worker_loses_its_comparison(store, publish, settings):
    quick = Store.connect(ServiceSettings(**(settings.model_dump() | {"lease_s": 0.001})))
    publish("model_1")
    silent = quick.comparisons.claim("w.1")
    quick.close()
    publish("model_2")
    alive = store.comparisons.claim("w.2")
    store.comparisons.expire_claims()
    assert [store.comparisons.renew(claim) for claim in (silent, alive)] == [False, True]


def test_the_comparison_of_a_deleted_model_is_deleted(store, publish):
    publish("model_1")
    claim = store.comparisons.claim("w.1")
    store.models.delete("model_1")
    assert not store.comparisons.renew(claim)
    store.comparisons.finish(claim, {"outcome": "better"})
    assert store.comparisons.get("model_1") is None
