"""A job steered by the client and the command, on the whole service."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from catvq_client import ApiError, Client

pytestmark = pytest.mark.slow


@pytest.fixture
def catvq(service):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-c", "from catvq_client.cli import main; main()", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={"CATVQ_URL": service.url, "PATH": ""},
        )

    return run


def wait_for(client, job_id, status):
    deadline = time.monotonic() + 100
    while (now := client.jobs.get(job_id)).status != status:
        assert time.monotonic() < deadline, now
        time.sleep(0.1)
    return now


def test_a_job_is_steered_paused_resumed_cancelled_retried_and_finished(service, catvq):
    values = np.random.default_rng(3).normal(size=(64, 6)).astype(np.float32)
    with Client(service.url) as client:
        dataset = client.datasets.upload(values, columns=[f"x_{index}" for index in range(6)])
        job = client.jobs.submit(
            {
                "dataset": dataset.id,
                "assignment": {"estimator": "softmax"},
                "training": {"epochs": 20_000},
                "report": {"baselines": False},
            }
        )
        wait_for(client, job.id, "running")
        held = json.loads(catvq("temperature", job.id, "--set", "0.5", "--json").stdout)
        assert (held["held"], held["temperature"]) == (True, 0.5)
        assert client.jobs.hold_temperature(job.id).temperature == 0.5
        assert not client.jobs.release_temperature(job.id).held
        assert "cannot be combined" in catvq("temperature", job.id, "--release", "--hold").stderr
        assert catvq("pause", job.id).stderr.startswith(f"{job.id} is paus")
        wait_for(client, job.id, "paused")
        with pytest.raises(ApiError, match="is paused, so it cannot be paused"):
            client.jobs.pause(job.id)
        assert catvq("resume", job.id).returncode == 0
        client.jobs.cancel(job.id)
        wait_for(client, job.id, "cancelled")
        assert client.jobs.retry(job.id).status == "queued"
        assert client.jobs.finish(job.id).status in {"queued", "running"}
        done = wait_for(client, job.id, "succeeded")
        assert 1 <= done.progress.epoch < 20_000
        events = list(client.jobs.follow_events(job.id, after=2))
        assert events == client.jobs.events(job.id)[2:]
        lines = catvq("events", job.id, "--follow", "--json").stdout.splitlines()
        assert [json.loads(line)["id"] for line in lines] == list(range(1, events[-1].id + 1))
        assert "published" in catvq("events", job.id).stdout
