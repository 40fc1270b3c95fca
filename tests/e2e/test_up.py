"""`make up` as its users meet it: what it says, what it survives, how it ends, what it finds again."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import httpx
import psutil
import pytest
from sklearn.datasets import load_wine

BACK_WITHIN_S = 5
STOPPED_WITHIN_S = 60
TERMINAL = {"succeeded", "failed", "cancelled"}

# What is learnt does not matter here, only that there is something to interrupt.
SMALL_JOB = {
    "model": {"categories": 3, "levels": 1, "codebook_size": 8, "embedding_dim": 8, "hidden_dim": 16},
    "assignment": {"mode": "static"},
    "report": {"baselines": False},
}

# One for all requests, as each client loads certificates anew; no connection outlives its API.
HTTP = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))

WORKER, FORK_SERVER, REDIS, API = (
    "-m worker.queue ",
    "multiprocessing.forkserver",
    "redis-server",
    "-m app ",
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="module")
def current(start_service, data_dir):
    """Gives the service of these tests, started by make, and started again if a test has ended it."""
    # .venv is not made anew here, whatever its age: these tests already run from it.
    command = ["make", "--old-file=.venv/.installed", "up", "PORT=0", f"DATA={data_dir}"]
    services = []

    def running():
        if not services or services[-1].process.poll() is not None:
            services.append(start_service(command, data_dir))
        return services[-1]

    yield running
    stop_and_leave_nothing(services[-1], terminate_make)


@pytest.fixture
def up(current):
    return current()


@pytest.fixture(scope="module")
def dataset(current):
    wine = load_wine(as_frame=True).data
    url = f"{current().url}/v1/datasets?name=wine"
    answer = HTTP.post(url, content=wine.to_csv(index=False), headers={"Content-Type": "text/csv"})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


@pytest.fixture(scope="module")
def model(current, dataset):
    done = ended(current(), submit(current(), dataset, epochs=2))
    assert done["status"] == "succeeded", done["error"]
    return done["model"]


@pytest.fixture(scope="module")
def endless_job(current, dataset):
    job_id = submit(current(), dataset, epochs=100_000)
    yield job_id
    HTTP.post(f"{current().url}/v1/jobs/{job_id}/cancel").raise_for_status()
    assert ended(current(), job_id)["status"] == "cancelled"


def submit(up, dataset, **training):
    answer = HTTP.post(f"{up.url}/v1/jobs", json=SMALL_JOB | {"dataset": dataset, "training": training})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def job(up, job_id):
    return HTTP.get(f"{up.url}/v1/jobs/{job_id}").raise_for_status().json()


def wait_for(condition, timeout_s):
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return value


def ended(up, job_id):
    return wait_for(lambda: (found := job(up, job_id))["status"] in TERMINAL and found, 120)


def epoch(up, job_id):
    with suppress(httpx.TransportError):
        found = job(up, job_id)
        return found["progress"]["epoch"] if found["status"] == "running" else 0


def find(up, word):
    """The process of the service whose command line holds `word`."""
    for process in up.process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if word in f"{' '.join(process.cmdline())} ":
                return process
    return None


def kill_and_await_another(up, word):
    killed = wait_for(lambda: find(up, word), BACK_WITHIN_S)
    killed.kill()
    started = time.monotonic()
    wait_for(lambda: (found := find(up, word)) and found != killed, BACK_WITHIN_S)
    return started


def test_the_service_is_ready_when_it_says_so(up):
    assert HTTP.get(f"{up.url}/readyz").status_code == 200


def test_nothing_that_the_service_or_a_backup_of_it_keeps_is_for_others_to_read(up, model, tmp_path):
    environment = os.environ | {"CATVQ_DATA_DIR": str(up.data_dir)}
    command = [sys.executable, "-m", "worker.store", "backup", str(tmp_path / "backup")]
    subprocess.run(command, env=environment, check=True)
    for directory in (up.data_dir, tmp_path / "backup"):
        kept = [directory, *directory.rglob("*")]
        assert directory / "models" / model in kept
        assert [path for path in kept if path.stat().st_mode & 0o077] == []


def test_a_job_ends_although_worker_training_redis_and_api_are_killed_under_it(up, dataset):
    job_id = submit(up, dataset, epochs=100_000)
    wait_for(lambda: epoch(up, job_id), 60)
    for word in (WORKER, FORK_SERVER, REDIS, API):
        before = epoch(up, job_id)
        started = kill_and_await_another(up, word)
        wait_for(lambda before=before: (epoch(up, job_id) or 0) > before, 60)
        print(
            f"{word} was killed in epoch {before}; training went on after {time.monotonic() - started:.1f} s"
        )
    HTTP.post(f"{up.url}/v1/jobs/{job_id}/finish").raise_for_status()
    assert ended(up, job_id)["status"] == "succeeded"


def test_a_second_service_on_the_same_data_is_refused(up):
    refused = run_embedded("--port", "0", "--data", up.data_dir)
    assert refused.returncode == 1
    assert re.search(rf"{up.data_dir} is in use by another catvq \(process \d+\)", refused.stderr)


def test_a_taken_port_is_refused(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run_embedded("--port", str(port), "--data", tmp_path)
    assert refused.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken" in refused.stderr


def test_a_place_that_cannot_hold_data_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    refused = run_embedded("--port", "0", "--data", tmp_path / "file")
    assert refused.returncode == 1
    assert (
        refused.stderr
        == f"catvq cannot start: the data directory {tmp_path}/file cannot be used: File exists\n"
    )


def run_embedded(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "app.embedded", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def interrupt_make(up):
    up.process.send_signal(signal.SIGINT)


def terminate_make(up):
    up.process.terminate()


def interrupt_group(up):
    os.killpg(up.process.pid, signal.SIGINT)


def terminate_group(up):
    os.killpg(up.process.pid, signal.SIGTERM)


def kill_supervisor(up):
    (supervisor,) = up.process.children()
    supervisor.kill()


def stop_and_leave_nothing(up, stop):
    processes = [up.process, *up.process.children(recursive=True)]
    started = time.monotonic()
    stop(up)
    assert psutil.wait_procs(processes, timeout=STOPPED_WITHIN_S)[1] == []
    print(f"{stop.__name__}: nothing left after {time.monotonic() - started:.1f} s")


def test_after_an_interrupt_no_process_is_left_and_the_next_start_finds_everything(current, model, dataset):
    stop_and_leave_nothing(current(), interrupt_group)
    again = current()
    assert HTTP.get(f"{again.url}/v1/models/{model}").status_code == 200
    assert HTTP.get(f"{again.url}/v1/datasets/{dataset}").status_code == 200


@pytest.mark.parametrize("stop", [interrupt_make, terminate_group, kill_supervisor])
def test_after_a_stop_while_a_job_runs_the_next_start_goes_on_with_it(current, endless_job, stop):
    before = wait_for(lambda: epoch(current(), endless_job), 60)
    stop_and_leave_nothing(current(), stop)
    again = current()
    assert wait_for(lambda: epoch(again, endless_job), 60) >= before
