"""Real workers, started as users start them, on a real Redis: what happens to their jobs when they die."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import psutil
import pytest
import redis

from worker.contract.announcer import Announcer
from worker.contract.job_config import TRAIN_QUEUE, JobRequest, JobStatus
from worker.contract.settings import WorkerSettings
from worker.process.health import find_problems
from worker.store import Store

pytestmark = pytest.mark.slow

LONG = {"epochs": 1000, "batch_size": 8}
PATIENCE_S = 100.0


def wait_until(condition, what, timeout_s=PATIENCE_S):
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s for: {what}"
        time.sleep(0.02)
    return result


class Service:
    """A store, a queue and one worker."""

    def __init__(self, settings, log_path):
        self.settings = settings
        self.store = Store.open(settings)
        self.announcer = Announcer(settings.redis_url)
        self.log_path = log_path
        self.process = None

    def start(self):
        environment = os.environ | {
            "CATVQ_DATA_DIR": str(self.settings.data_dir),
            "CATVQ_DATABASE_URL": self.settings.sqlalchemy_url,
            "CATVQ_REDIS_URL": self.settings.redis_url,
            "CATVQ_WORKER_NAME": self.settings.worker_name,
            "CATVQ_THREADS": str(self.settings.threads),
        }
        command = [sys.executable, "-m", "celery", "-A", "worker.queue.celery_app", "worker"]
        options = ["--hostname", f"{self.settings.worker_name}@test", "--without-gossip", "--without-mingle"]
        with self.log_path.open("a") as log:
            self.process = subprocess.Popen(
                [*command, *options, "--loglevel", "INFO"], env=environment, stdout=log, stderr=log
            )

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def training_process(self, job):
        """The process that holds the job, by the id in the name it gave itself."""
        return psutil.Process(int(self.store.jobs.get(job.id).worker_name.split(".")[-2]))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE_S)

    def submit(self, dataset, *, baselines=False, **training):
        static = {"mode": "static"}  # trains fastest
        request = JobRequest.model_validate(
            {
                "dataset": dataset.id,
                "training": training,
                "assignment": static,
                "report": {"baselines": baselines},
            }
        )
        job = self.store.jobs.submit(request, {}).job
        self.announcer.announce(job.id)
        return job

    def wait_for_end(self, job):
        return wait_until(lambda: self.ended(job), f"the end of {job.id}")

    def ended(self, job):
        now = self.store.jobs.get(job.id)
        return now if now.status.is_terminal else None

    def epoch(self, job):
        live = self.store.jobs.get(job.id).live
        return 0 if live is None else live.progress["epoch"]

    def wait_for_epoch(self, job, epoch):
        wait_until(lambda: self.epoch(job) >= epoch, f"epoch {epoch} of {job.id}")

    def events(self, job):
        return [event.type for event in self.store.jobs.events(job.id, limit=10_000)]


@pytest.fixture(scope="module")
def running(tmp_path_factory, redis_url):
    """One service for all tests of this module; what a test kills, the next one starts again."""
    directory = tmp_path_factory.mktemp("service")
    made = Service(
        WorkerSettings(data_dir=directory / "data", redis_url=redis_url, worker_name="w", threads=1),
        directory / "worker.log",
    )
    with redis.Redis.from_url(redis_url) as client:
        client.delete(TRAIN_QUEUE)
    yield made
    if made.is_running:
        made.stop()
    made.announcer.close()
    made.store.close()


@pytest.fixture
def service(running):
    if not running.is_running:
        running.start()
    return running


@pytest.fixture
def dataset(service, add_dataset):
    return add_dataset(store=service.store)


def test_what_a_worker_writes_is_for_its_user_alone(service, dataset):
    job = service.wait_for_end(service.submit(dataset, epochs=1))
    directories = [
        service.store.models.directory(job.model_id),
        (service.store.spool_dir.parent / "jobs" / job.id),
    ]
    written = [path for directory in directories for path in [directory, *directory.rglob("*")]]
    assert len(written) > 4
    assert [path for path in written if path.stat().st_mode & 0o077] == []


def test_a_job_is_trained_and_its_model_published(service, dataset):
    # Not announced, as if the message had been lost: the worker finds it.
    request = JobRequest.model_validate(
        {
            "dataset": dataset.id,
            "training": {"epochs": 4},
            "model": {"categories": 2},
            "report": {"baselines": False},
        }
    )
    job = service.wait_for_end(service.store.jobs.submit(request, {}).job)
    assert (job.status, job.error) == (JobStatus.SUCCEEDED, None)
    events = [event for event in service.events(job) if event != "checkpoint"]
    assert events == ["submitted", "started", "frozen", "published"]
    progress = job.live.progress
    assert (progress["fraction"], progress["epoch"], progress["eta_seconds"]) == (1.0, 4, 0.0)
    assert progress["step"] == progress["steps"]
    assert [record.epoch for record in service.store.jobs.metrics(job.id)] == [1, 2, 3, 4]
    assignment = service.store.jobs.assignment(job.id)
    assert assignment.matrix.shape == (6, len(assignment.categories))
    assert np.allclose(assignment.matrix.sum(axis=1), 1)
    model = service.store.models.get(job.model_id)
    assert model.document["features"] == dataset.features
    directory = service.store.models.directory(model.id)
    grouping = json.loads((directory / "grouping.json").read_text())
    assert sorted(name for category in grouping["categories"] for name in category["features"]) == sorted(
        dataset.features
    )
    encoder = onnxruntime.InferenceSession(directory / "encoder.onnx")
    rows = np.load(service.store.datasets.values_path(dataset.id))
    codes = encoder.run(["codes"], {"rows": rows})[0]
    assert codes.shape == (len(rows), len(assignment.categories) * model.document["levels"])
    checkpoints = service.store.jobs.checkpoints(job.id)
    assert [record.epoch for record in checkpoints] == [4, 3, 2]
    assert all(
        (service.settings.data_dir / "jobs" / job.id / record.file_name).stat().st_size == record.size_bytes
        for record in checkpoints
    )
    assert list(service.store.spool_dir.iterdir()) == []


def test_a_worker_is_healthy_while_it_runs(service):
    wait_until(lambda: not find_problems(service.settings), "a healthy worker")
    other = WorkerSettings(**(service.settings.model_dump() | {"worker_name": "other"}))
    assert find_problems(other) == ["the worker other has not reported"]


def test_the_job_of_a_killed_training_process_goes_on_within_seconds(service, dataset):
    job = service.submit(dataset, epochs=50, batch_size=8)
    service.wait_for_epoch(job, 3)
    killed_in = service.epoch(job)
    service.training_process(job).kill()
    killed = time.monotonic()
    wait_until(lambda: service.store.jobs.get(job.id).attempt.number == 2, "the second attempt")
    # Seconds even on a busy machine: its lock tells, not its lease.
    assert time.monotonic() - killed < service.settings.lease_s / 2
    ended = service.wait_for_end(job)
    assert (ended.status, ended.attempt.number) == (JobStatus.SUCCEEDED, 2)
    (loss,) = ended.attempt.history
    assert (loss["number"], loss["reason"]) == (1, "its worker died")
    assert loss["epoch"] >= killed_in
    resumed = [e for e in service.store.jobs.events(job.id, limit=1000) if e.type == "resumed"]
    assert [event.data["epoch"] >= killed_in - 1 for event in resumed] == [True]
    assert [record.epoch for record in service.store.jobs.metrics(job.id)] == list(range(1, 51))


def test_the_job_of_a_killed_worker_goes_on_once_it_is_back_and_can_be_cancelled(service, dataset):
    job = service.submit(dataset, **LONG)
    service.wait_for_epoch(job, 2)
    training = service.training_process(job)
    orphans = [training, training.parent()]
    service.kill()
    assert psutil.wait_procs(orphans, timeout=PATIENCE_S)[1] == []
    service.start()
    wait_until(lambda: service.store.jobs.get(job.id).attempt.number == 2, "the second attempt")
    wait_until(lambda: "resumed" in service.events(job), "the resumption")
    service.store.controls.cancel(job.id)
    asked = time.monotonic()
    assert service.wait_for_end(job).status is JobStatus.CANCELLED
    assert time.monotonic() - asked < 3  # a second, and what a busy machine adds
    assert [event for event in service.events(job) if event != "checkpoint"] == [
        *("submitted", "started", "released", "started", "resumed", "cancelling", "cancelled")
    ]


def ranks_of(service, job):
    """The processes that compute a part of the job's steps, besides its own."""
    return service.training_process(job).children()


def test_a_job_that_loses_a_rank_goes_on_and_ends_as_one_that_lost_none(service, dataset):
    training = {"epochs": 30, "batch_size": 8, "devices": 2}
    twin = service.wait_for_end(service.submit(dataset, **training))
    assert (twin.status, twin.attempt.number) == (JobStatus.SUCCEEDED, 1)
    job = service.submit(dataset, **training)
    service.wait_for_epoch(job, 3)
    (rank,) = ranks_of(service, job)
    rank.kill()
    ended = service.wait_for_end(job)
    assert (ended.status, ended.attempt.number) == (JobStatus.SUCCEEDED, 2)
    (loss,) = ended.attempt.history
    assert (loss["number"], loss["reason"]) == (1, "one of its processes died")
    directories = [service.store.models.directory(each.model_id) for each in (twin, ended)]
    documents = [json.loads((directory / "grouping.json").read_text()) for directory in directories]
    assert documents[0]["digest"] == documents[1]["digest"]
    reports = [json.loads((directory / "report.json").read_text()) for directory in directories]
    assert [report["training"]["devices"] for report in reports] == [2, 2]


@pytest.mark.parametrize("end", ["cancelled", "its process killed", "its worker killed"])
def test_no_rank_outlives_its_job(service, dataset, end):
    job = service.submit(dataset, **LONG, devices=3)
    service.wait_for_epoch(job, 2)
    ranks = ranks_of(service, job)
    assert len(ranks) == 2
    for rank in ranks:
        rank.send_signal(signal.SIGTERM)  # they leave that to their job
    if end == "its worker killed":
        service.kill()
    elif end == "its process killed":
        service.training_process(job).kill()
    else:
        service.store.controls.cancel(job.id)
    assert psutil.wait_procs(ranks, timeout=PATIENCE_S)[1] == []
    if end != "cancelled":
        service.store.controls.cancel(job.id)
    if not service.is_running:
        service.start()
    assert service.wait_for_end(job).status is JobStatus.CANCELLED


def test_a_stopping_worker_saves_its_job_and_loses_no_step(service, dataset):
    job = service.submit(dataset, **LONG)
    service.wait_for_epoch(job, 2)
    # A service manager may signal every process of the worker at once, and so may a terminal.
    training = service.training_process(job)
    for process in (training.parent(), training):
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
    assert service.stop() == 0
    stopped = service.store.jobs.get(job.id)
    assert (stopped.status, stopped.status_reason) == (JobStatus.QUEUED, "its worker was stopped")
    assert (stopped.worker_name, stopped.attempt.history) == (None, [])
    newest = service.store.jobs.checkpoints(job.id)[0]
    service.start()
    wait_until(lambda: "resumed" in service.events(job), "the resumption")
    (resumed,) = [e for e in service.store.jobs.events(job.id, limit=5000) if e.type == "resumed"]
    assert (resumed.data["epoch"], resumed.data["step"]) == (newest.epoch, newest.step)
    assert service.store.jobs.get(job.id).attempt.number == 1
    service.store.controls.cancel(job.id)
    service.wait_for_end(job)


def test_a_comparison_yields_to_jobs_and_outlives_the_loss_of_its_process(service, dataset):
    store = service.store

    def wait_for_process(but_not=()):
        (name,) = wait_until(lambda: store.pieces.busy_workers() - set(but_not), "a comparison to begin")
        return name

    # The job is over after its first epoch, but each training of its comparison takes 240 steps.
    job = service.submit(dataset, baselines=True, epochs=40, batch_size=8, max_seconds=0.001)
    killed = wait_for_process()
    assert service.ended(job).status is JobStatus.SUCCEEDED
    psutil.Process(int(killed.split(".")[-2])).kill()
    second = wait_for_process(but_not=[killed])
    urgent = service.submit(dataset, epochs=1)
    assert service.wait_for_end(urgent).status is JobStatus.SUCCEEDED
    wait_for_process(but_not=[killed, second])
    model_id = service.store.jobs.get(job.id).model_id
    done = wait_until(lambda: store.comparisons.get(model_id).document, "the end of the comparison")
    assert done["outcome"] in {"better", "as_good", "worse"}
    assert done["rows"] == {"train": 52, "test": 6}


def test_a_worker_that_cannot_start_a_job_ends_instead_of_looking_healthy(service, dataset):
    servers = [p for p in psutil.Process(service.process.pid).children() if "forkserver" in str(p.cmdline())]
    (socket,) = {each.laddr for each in servers[0].net_connections("unix") if each.laddr}
    Path(socket).unlink()
    job = service.submit(dataset, epochs=1)
    assert service.process.wait(timeout=PATIENCE_S) == 0
    service.start()
    assert service.wait_for_end(job).status is JobStatus.SUCCEEDED


def test_a_worker_that_must_stop_at_once_still_saves_its_job(service, dataset):
    job = service.submit(dataset, **LONG)
    service.wait_for_epoch(job, 2)
    service.process.send_signal(signal.SIGQUIT)
    service.process.wait(timeout=PATIENCE_S)
    stopped = service.store.jobs.get(job.id)
    assert (stopped.status, stopped.status_reason) == (JobStatus.QUEUED, "its worker was stopped")


def test_messages_of_cancelled_jobs_start_no_process_and_are_gone_soon(service, dataset):
    for left in service.store.jobs.list(limit=1000).items:  # by other tests
        if not left.status.is_terminal:
            service.store.controls.cancel(left.id)
    assert service.wait_for_end(service.submit(dataset, epochs=1)).status is JobStatus.SUCCEEDED
    children = psutil.Process(service.process.pid).children()
    (server,) = [each for each in children if "forkserver" in str(each.cmdline())]
    wait_until(lambda: not server.children() and not service.announcer.count_waiting(), "a worker at rest")
    service.process.send_signal(signal.SIGSTOP)  # it takes no message meanwhile
    for _ in range(200):
        job = service.submit(dataset)
        service.store.controls.cancel(job.id)
    before = server.cpu_times()  # of its children, those that have ended
    service.process.send_signal(signal.SIGCONT)
    began = time.monotonic()
    wait_until(lambda: not service.announcer.count_waiting(), "the end of the messages")
    assert time.monotonic() - began < 20
    wait_until(lambda: not server.children(), "the end of processes, should there be any")
    after = server.cpu_times()
    assert (after.children_user, after.children_system) == (before.children_user, before.children_system)
    job = service.submit(dataset, epochs=1)
    assert service.wait_for_end(job).status is JobStatus.SUCCEEDED
