"""Real processes of jobs, run as a worker's thread runs them: how they end, and what is made of it."""

import sys
import threading
import time
from pathlib import Path
from types import MappingProxyType

import psutil
import pytest

from worker.contract.job_config import JobRequest, JobStatus
from worker.contract.settings import WorkerSettings
from worker.process import memory
from worker.queue import spawn
from worker.store import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="what the system counts and scores is of Linux"),
]

PATIENCE_S = 100.0


class Running:
    """A job in a process of its own, and the thread that waits for that."""

    def __init__(self, store, job):
        self._store = store
        self.job_id = job.id
        self._thread = threading.Thread(target=spawn.run_in_process, args=(job.id,))
        self._thread.start()

    def process(self):
        deadline = time.monotonic() + PATIENCE_S
        while (name := self.job().worker_name) is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return psutil.Process(int(name.split(".")[-2]))

    def job(self):
        return self._store.jobs.get(self.job_id)

    def wait(self):
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.fixture
def kills(tmp_path, monkeypatch):
    """Stands for the system's count of processes that it killed for memory."""
    path = tmp_path / "vmstat"
    path.write_text("oom_kill 3\n")
    monkeypatch.setattr(memory, "CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(memory, "EVENTS_OF_THE_MACHINE", path)
    return path


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The store of all tests here: the fork server, of which there is one, knows no other settings."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CATVQ_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        environment.setenv("CATVQ_WORKER_NAME", "w")
        environment.setenv("CATVQ_THREADS", "1")
        opened = Store.open(WorkerSettings())
        yield opened
        opened.close()


@pytest.fixture
def run(service, add_dataset):
    """Runs a long job; what is left of it at the end of the test is cancelled."""
    started = []

    def start(assignment=MappingProxyType({"mode": "static"}), **table):
        request = JobRequest.model_validate(
            {
                "dataset": add_dataset(store=service, **table).id,
                "assignment": dict(assignment),
                "training": {"epochs": 10_000, "batch_size": 8},
            }
        )
        resolved = {"estimate": {"driven_by": {"model.hidden_dim": 8192, "rows": 64}}}
        running = Running(service, service.jobs.submit(request, resolved).job)
        started.append(running)
        return running

    yield start
    for running in started:
        if running.job().status in {JobStatus.RUNNING, JobStatus.QUEUED}:
            service.controls.cancel(running.job_id)
        running.wait()


def test_a_job_s_process_is_the_first_that_the_system_kills_for_memory(run):
    process = run().process()
    assert Path(f"/proc/{process.pid}/oom_score_adj").read_text().strip() == "1000"


def test_a_job_whose_process_the_system_kills_for_memory_fails_and_names_the_settings(run, kills):
    running = run()
    process = running.process()
    kills.write_text("oom_kill 4\n")  # as the kernel does, before the process has ended
    process.kill()
    running.wait()
    job = running.job()
    assert (job.status, job.error.code, job.attempt.number) == (JobStatus.FAILED, "out_of_memory", 1)
    assert "memory ran out" in job.error.text
    assert "model.hidden_dim 8192, rows 64" in job.error.text


def test_a_job_whose_process_is_killed_by_a_user_is_retried(run, kills, service):
    kills.write_text("oom_kill 9\n")  # of another process, before
    running = run()
    running.process().kill()
    running.wait()
    assert running.job().status is JobStatus.RUNNING
    assert service.outbox.release_worker(running.job().worker_name) == [running.job_id]
    assert running.job().status is JobStatus.QUEUED


@pytest.mark.parametrize(("action", "status"), [("cancel", "cancelled"), ("pause", "paused")])
def test_the_process_of_a_job_ends_in_a_step_that_does_not_look_whether_it_should_stop(
    run, service, action, status
):
    running = run({}, rows=1000, members=1200, noise=1.0)  # their dependence takes many seconds
    process = running.process()
    getattr(service.controls, action)(running.job_id)
    process.wait(timeout=20)
    running.wait()
    assert running.job().status == status
    assert [event.type for event in service.jobs.events(running.job_id)][-1] == status
