"""An API process whose disk is full: what it says, and how it is helped."""

import time
from contextlib import contextmanager

import httpx
import pytest

from worker.store.database.reserve import RESERVE_BYTES

KIND = {"content-type": "text/csv"}
LARGE = "a,b\n" + "".join(f"{row},{row % 7}\n" for row in range(200_000))
SMALL = "a,b\n" + "".join(f"{row},{row % 3}\n" for row in range(50))


@pytest.fixture
def serving(small_disk, start_api, tmp_path):
    @contextmanager
    def start():
        with (
            start_api(small_disk.directory, prefix=small_disk.prefix, log_dir=tmp_path) as api,
            httpx.Client(base_url=api.url, timeout=60) as client,
        ):
            yield client

    return start


def upload(client, text):
    return client.post("/v1/datasets", content=text, headers=KIND)


def submit(client, dataset):
    return client.post("/v1/jobs", json={"dataset": dataset, "name": "x" * 200})


def readiness(client):
    time.sleep(1.1)  # for so long an answer holds
    answer = client.get("/readyz")
    return answer.status_code, answer.json().get("code")


def submit_until_full(client, dataset):
    """Use up the room that the database's own files have; returns the refusal."""
    for _ in range(1000):
        answer = submit(client, dataset)
        if answer.status_code != 202:
            return answer
    pytest.fail("the disk is not full")


def test_a_full_disk_is_said_to_be_full_and_deleting_makes_room(serving, small_disk):
    with serving() as client:
        large, small = (upload(client, text).json()["id"] for text in (LARGE, SMALL))
        jobs = [submit(client, small).json()["id"] for _ in range(3)]
        assert readiness(client) == (200, None)
        small_disk.fill()
        assert readiness(client) == (503, "disk_full")
        assert client.get("/v2/health/ready").json()["code"] == "disk_full"
        written = client.get(f"/v1/datasets/{large}/rows", headers={"accept": "application/x-hdf5"})
        for refused in (upload(client, f"{LARGE}1,2\n"), written, submit_until_full(client, small)):
            assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")
        for job_id in jobs:
            assert client.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
            assert client.delete(f"/v1/jobs/{job_id}").status_code == 204
        assert client.delete(f"/v1/datasets/{large}").status_code == 204
        assert readiness(client) == (200, None)
        assert submit(client, small).status_code == 202


def test_a_service_that_starts_on_a_full_disk_takes_deletions(serving, small_disk):
    with serving() as client:
        large = upload(client, LARGE).json()["id"]
        small_disk.fill()
    with serving() as client:
        assert readiness(client) == (503, "disk_full")
        assert client.delete(f"/v1/datasets/{large}").status_code == 204
        assert readiness(client) == (200, None)


def test_what_a_deletion_took_of_the_reserve_is_kept_back_again_when_there_is_room(serving, small_disk):
    reserve = small_disk.inside / "catvq.db-reserve"
    with serving() as client:
        small = upload(client, SMALL).json()["id"]
        job_id = submit(client, small).json()["id"]
        small_disk.fill()
        submit_until_full(client, small)
        assert client.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
        assert reserve.stat().st_size < RESERVE_BYTES
        (small_disk.inside / "ballast").unlink()
        assert client.delete(f"/v1/jobs/{job_id}").status_code == 204
        assert reserve.stat().st_size == RESERVE_BYTES
