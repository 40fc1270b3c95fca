"""Encoding jobs in parts that several workers take."""

import os
import shutil
import signal
import threading
from functools import partial

import numpy as np
import pytest

from catvq.frozen.table_encoder import TableEncoder
from tests.worker.jobs.encoding.codes import ROWS, codes_by_hand, values_of, wait_for, when_written
from worker.contract.job_config import JobStatus
from worker.jobs.encoding.model_rows import ModelRows
from worker.jobs.pieces import work_on_pieces
from worker.store import JobError, PieceStatus, Store


def test_a_stopped_encoding_goes_on_with_the_parts_that_are_left(
    store, model, ask, run, in_small_parts, monkeypatch
):
    held = ask()
    when_written(store, monkeypatch, 300, lambda: os.kill(os.getpid(), signal.SIGTERM))
    stopped = run(held)
    assert (stopped.status, stopped.status_reason) == (JobStatus.QUEUED, "its worker was stopped")
    done = stopped.live.progress["step"]
    assert 300 <= done < ROWS
    encoded = []
    original = TableEncoder.encode

    def count(self, rows, others):
        encoded.append(len(rows))
        return original(self, rows, others)

    monkeypatch.setattr(TableEncoder, "encode", count)
    job = run(store.leases.claim(stopped.id, "w", threads=1))
    assert sum(encoded) == ROWS - done
    assert np.array_equal(
        values_of(store, job.result_dataset_id), codes_by_hand(store, model, job.dataset_id)
    )


def test_parts_whose_files_are_gone_are_encoded_again(store, model, ask, run, in_small_parts, monkeypatch):
    held = ask()
    when_written(store, monkeypatch, 300, lambda: os.kill(os.getpid(), signal.SIGTERM))
    stopped = run(held)
    shutil.rmtree(store.spool_dir.parent / "jobs" / stopped.id)
    job = run(store.leases.claim(stopped.id, "w", threads=1))
    assert np.array_equal(
        values_of(store, job.result_dataset_id), codes_by_hand(store, model, job.dataset_id)
    )


def test_workers_share_the_parts_and_the_result_is_that_of_one(
    store, ask, run, settings, in_small_parts, monkeypatch
):
    claim = ask()
    helping = Store.connect(settings)
    done = {"w": 0, "helper": 0}

    def count(piece, result, finish):
        done[piece.worker_name] += 1
        finish(piece, result)

    for each in (store, helping):
        finish = partial(count, finish=each.pieces.finish)
        monkeypatch.setattr(each.pieces, "finish", finish)

    def help_out():
        while not store.jobs.get(claim.job.id).status.is_terminal:
            work_on_pieces(helping, settings, "helper", threading.Event())

    helper = threading.Thread(target=help_out)
    helper.start()
    shared = run(claim)
    helper.join()
    helping.close()
    assert min(done.values()) > 0
    assert sum(done.values()) == ROWS // 10
    assert store.files.names(f"jobs/{shared.id}") == []
    assert store.pieces.of_job(shared.id) == []
    together = store.datasets.values_path(shared.result_dataset_id).read_bytes()
    store.datasets.delete(shared.result_dataset_id)
    monkeypatch.undo()
    alone = run(ask(store.datasets.get(shared.dataset_id)))
    assert store.datasets.values_path(alone.result_dataset_id).read_bytes() == together


def test_a_worker_that_dies_loses_its_part_alone(store, model, ask, run, in_small_parts, monkeypatch):
    held, lost = ask(), []
    when_written(store, monkeypatch, 300, lambda: lost.append(store.pieces.claim("dead")))
    when_written(store, monkeypatch, 900, lambda: store.pieces.release_worker("dead"))
    job = run(held)
    assert lost[0].task == {"start": 300, "stop": 310}
    assert (job.status, job.attempt.history) == (JobStatus.SUCCEEDED, [])
    assert np.array_equal(
        values_of(store, job.result_dataset_id), codes_by_hand(store, model, job.dataset_id)
    )


def test_a_part_that_ends_every_worker_ends_the_job(store, ask, run, in_small_parts, monkeypatch):
    held = ask()

    def lose():
        for number in range(held.job.attempt.max):
            store.pieces.claim(f"dead-{number}")
            store.pieces.release_worker(f"dead-{number}")

    when_written(store, monkeypatch, 300, lose)
    job = run(held)
    assert (job.status, job.error.code) == (JobStatus.FAILED, "worker_lost")
    store.controls.retry(job.id)
    assert run(store.leases.claim(job.id, "w", threads=1)).status is JobStatus.SUCCEEDED


def test_what_fails_in_another_worker_fails_the_job_with_its_reason(
    store, ask, run, in_small_parts, monkeypatch
):
    held, error = ask(), JobError(code="disk_full", text="No space left.")
    when_written(store, monkeypatch, 300, lambda: store.pieces.fail(store.pieces.claim("other"), error))
    job = run(held)
    assert (job.status, job.error) == (JobStatus.FAILED, error)


@pytest.mark.parametrize("act", ["cancel", "pause"])
def test_parts_in_other_workers_stop_with_the_job(store, settings, ask, in_small_parts, monkeypatch, act):
    held = ask()
    store.pieces.divide(held, [{"start": 0, "stop": ROWS}])
    seen = []

    def act_once(self, start, stop, prefixes, encode=ModelRows.encode):
        if not seen:
            getattr(store.controls, act)(held.job.id)
            wait_for(lambda: store.pieces.busy_workers() == set())  # taken from it by its heartbeat
        seen.append(start)
        return encode(self, start, stop, prefixes)

    monkeypatch.setattr(ModelRows, "encode", act_once)
    work_on_pieces(store, settings, "helper", threading.Event())
    assert len(seen) < ROWS / 10
    (part,) = store.pieces.of_job(held.job.id)
    assert part.status is PieceStatus.DUE
    assert store.pieces.claim("helper") is None  # the job does not run
