"""A job steered by the client and the command at a real API; what a worker does to it, the test does."""

import json
import subprocess
import sys

import pytest
from catvq_client import ApiError, Client


@pytest.fixture
def catvq(api):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-c", "from catvq_client.cli import main; main()", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={"CATVQ_URL": str(api.client.base_url), "PATH": ""},
        )

    return run


def test_a_job_is_steered_paused_resumed_cancelled_retried_and_finished(api, catvq):
    claim = api.running_job(epochs=9)  # recorded: two, so that the assignment is not hard yet
    job_id = claim.job.id
    with Client(str(api.client.base_url)) as client:
        held = json.loads(catvq("temperature", job_id, "--set", "0.5", "--json").stdout)
        assert (held["held"], held["temperature"]) == (True, 0.5)
        assert client.jobs.hold_temperature(job_id).temperature == 0.5
        assert not client.jobs.release_temperature(job_id).held
        assert "cannot be combined" in catvq("temperature", job_id, "--release", "--hold").stderr
        assert catvq("pause", job_id).stderr.startswith(f"{job_id} is pausing")
        api.store.leases.release(claim, "its user paused it")
        with pytest.raises(ApiError, match="is paused, so it cannot be paused"):
            client.jobs.pause(job_id)
        assert catvq("resume", job_id).returncode == 0
        client.jobs.cancel(job_id)
        assert client.jobs.get(job_id).status == "cancelled"
        assert client.jobs.retry(job_id).status == "queued"
        assert client.jobs.finish(job_id).status == "queued"
        client.jobs.cancel(job_id)
        events = list(client.jobs.follow(job_id, after=2))
        assert events == client.jobs.events(job_id)[2:]
        lines = catvq("events", job_id, "--follow", "--json").stdout.splitlines()
        assert [json.loads(line)["id"] for line in lines] == list(range(1, events[-1].id + 1))
        assert "cancelled" in catvq("events", job_id).stdout
