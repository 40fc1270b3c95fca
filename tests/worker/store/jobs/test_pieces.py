"""Parts of jobs in the store; test_comparisons has what all pieces share."""

import pytest

from worker.contract.job_config import EncodingJobRequest
from worker.store import LeaseLost, PieceStatus, RequestedAction

TASKS = [{"start": 0, "stop": 10}, {"start": 10, "stop": 15}]


@pytest.fixture
def publish(store, submit):
    claim = store.leases.claim(submit().id, "w", threads=1)
    store.leases.publish(claim, "model_1", {"training_seconds": 1.5}, digest="abc")


@pytest.fixture
def claim(store, publish, dataset):
    """An encoding job that runs."""
    request = EncodingJobRequest(dataset=dataset.id)
    job = store.jobs.submit_encoding(request, "model_1", rows=15).job
    return store.leases.claim(job.id, "w", threads=1)


def test_parts_come_in_order_and_before_comparisons(store, claim):
    assert store.pieces.first_due() == "model_1"
    store.pieces.divide(claim, TASKS)
    assert store.pieces.first_due() == claim.job.id
    taken = [store.pieces.claim(f"w.{number}") for number in range(3)]
    assert [piece.task for piece in taken[:2]] == TASKS
    assert taken[2].model_id == "model_1"
    assert store.pieces.claim("w.9") is None


def test_another_attempt_keeps_what_is_done(store, claim):
    store.pieces.divide(claim, TASKS)
    store.pieces.finish(store.pieces.claim("helper"), {"file": "codes-1"})
    store.outbox.release_worker("w")
    again = store.leases.claim(claim.job.id, "w2", threads=1)
    with pytest.raises(LeaseLost):
        store.pieces.divide(claim, TASKS)
    store.pieces.divide(again, [{"start": 0, "stop": 15}])  # of another version, say
    parts = store.pieces.of_job(claim.job.id)
    assert [part.task for part in parts] == TASKS
    assert [part.status for part in parts] == [PieceStatus.DONE, PieceStatus.DUE]


def test_parts_are_given_out_only_while_their_job_runs(store, claim):
    store.pieces.divide(claim, TASKS)
    held = store.pieces.claim("helper", job_id=claim.job.id)
    assert store.pieces.heartbeat(held) is RequestedAction.NONE
    store.controls.pause(claim.job.id)
    assert store.pieces.heartbeat(held) is RequestedAction.CANCEL
    assert store.pieces.claim("other", job_id=claim.job.id) is None
    store.pieces.finish(held, {"file": "codes-1"})  # what is ready when it hears of it is kept
    assert store.pieces.of_job(claim.job.id)[0].status is PieceStatus.DONE


def test_a_comparison_gives_way_to_a_job_and_a_part_does_not(store, claim, submit):
    comparison = store.pieces.claim("helper")
    store.pieces.divide(claim, TASKS)
    part = store.pieces.claim("other")
    assert store.pieces.heartbeat(comparison) is RequestedAction.NONE
    submit()
    assert store.pieces.heartbeat(comparison) is RequestedAction.CANCEL
    assert store.pieces.heartbeat(part) is RequestedAction.NONE


def test_parts_are_gone_with_the_end_of_their_job(store, claim, dataset):
    store.pieces.divide(claim, TASKS)
    store.leases.deliver(claim, dataset.id)
    assert store.pieces.of_job(claim.job.id) == []
