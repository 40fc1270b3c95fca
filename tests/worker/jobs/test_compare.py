"""Comparisons made by the code of the job process, called in this one."""

import os
import shutil
import signal
import threading
import time

import pytest

from worker.contract.job_config import JobStatus
from worker.contract.settings import WorkerSettings
from worker.jobs.compare import DATASET_GONE
from worker.jobs.heartbeat import stopped_by_sigterm
from worker.jobs.pieces import work_on_pieces

SHORT = {
    "training": {"epochs": 2},
    "model": {"categories": 2, "levels": 1},
    "assignment": {"mode": "static"},
}
# The job ends after its first epoch, but its comparison takes a thousand steps for each training.
LONG = {"training": {"epochs": 1000, "batch_size": 8, "max_seconds": 0.001}}
USER = {"mode": "static", "init": "user", "groups": {"x": ["a0", "b0"], "y": ["a1", "a2", "b1", "b2"]}}


@pytest.fixture
def settings(tmp_path):
    return WorkerSettings(data_dir=tmp_path / "data", threads=1)


@pytest.fixture
def publish(store, submit, run):
    """Trains a job to its end; returns the id of its model."""

    def train(**sections):
        job = submit(**(SHORT | sections))
        return run(store.leases.claim(job.id, "w", threads=1)).model_id

    return train


@pytest.fixture
def compare(store, settings):
    def while_idle():
        with stopped_by_sigterm() as is_stopping:
            work_on_pieces(store, settings, "w.1.7", is_stopping)

    return while_idle


@pytest.fixture
def once_running(store):
    """Does something from another thread as soon as a comparison runs."""
    threads = []

    def watch(act):
        def wait():
            while not store.pieces.busy_workers():
                time.sleep(0.005)
            act()

        threads.append(threading.Thread(target=wait))
        threads[-1].start()

    yield watch
    for thread in threads:
        thread.join()


def test_every_published_model_is_compared(store, publish, compare):
    ids = [publish(), publish(assignment=USER), publish(report={"baselines": False})]
    compare()
    plain, scrambled, left_out = (store.comparisons.get(model_id) for model_id in ids)
    assert left_out is None
    assert plain.document["outcome"] == "as_good"  # correlation is what a static job starts from
    assert plain.document["contestants"][1]["agreement"] == 1
    assert "a usual method, finds the same categories" in plain.document["verdict"]
    assert scrambled.document["contestants"][1]["difference"] < 0  # two features torn from their causes
    assert store.pieces.first_due() is None


def test_a_waiting_job_comes_first(store, publish, compare, once_running, submit):
    model_id = publish(**LONG)
    once_running(submit)
    compare()
    assert store.pieces.first_due() == model_id  # put back
    compare()
    assert store.pieces.first_due() == model_id  # not even begun


def test_sigterm_releases_the_comparison(store, publish, compare, once_running):
    model_id = publish(**LONG)
    once_running(lambda: os.kill(os.getpid(), signal.SIGTERM))
    compare()
    assert store.pieces.first_due() == model_id


def test_a_draining_worker_stops_comparing(store, publish, compare, once_running):
    publish(**LONG)
    model_id = publish(**LONG)
    once_running(lambda: store.pieces.drain_workers("w.1."))
    compare()
    assert store.comparisons.get(model_id).document is None
    assert store.pieces.busy_workers() == set()


def test_a_model_deleted_meanwhile_ends_its_comparison(store, publish, compare, once_running):
    model_id = publish(**LONG)
    once_running(lambda: store.models.delete(model_id))
    compare()
    assert store.comparisons.get(model_id) is None


def test_a_dataset_deleted_before_ends_the_comparison_with_the_reason(store, publish, compare, dataset):
    model_id = publish()
    store.datasets.delete(dataset.id)
    compare()
    assert store.comparisons.get(model_id).error == DATASET_GONE


def test_a_failed_comparison_records_the_reason(store, publish, compare):
    model_id = publish()
    shutil.rmtree(store.models.directory(model_id))
    compare()
    assert "model.json" in store.comparisons.get(model_id).error


def test_the_job_of_a_compared_model_may_be_deleted_first(store, publish, compare):
    model_id = publish()
    job_id = store.models.get(model_id).job_id
    assert store.jobs.get(job_id).status is JobStatus.SUCCEEDED
    store.jobs.delete(job_id)
    compare()
    assert store.comparisons.get(model_id).document is not None
