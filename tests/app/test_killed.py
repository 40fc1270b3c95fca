"""An API that is killed at any moment leaves nothing half made: what was answered is there, and whole."""

import itertools
import random
import socket
import threading
import time

import httpx
import numpy as np
import pytest

from worker.contract.settings import ServiceSettings
from worker.store import Store

ROUNDS = 3
CSV = {"content-type": "text/csv"}


@pytest.fixture
def store(tmp_path):
    opened = Store.open(ServiceSettings(data_dir=tmp_path))
    yield opened
    opened.close()


def files_below(directory):
    return [path for path in directory.rglob("*") if path.is_file() and path.name != ".lock"]


def test_an_upload_that_was_cut_off_by_a_kill_is_nowhere(start_api, tmp_path, store):
    with start_api(tmp_path) as api:
        port = int(api.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            head = "POST /v1/datasets HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/csv\r\n"
            connection.sendall(f"{head}Content-Length: 4000000\r\n\r\na,b\n".encode() + b"1,2\n" * 500_000)
            deadline = time.monotonic() + 20
            while not sum(path.stat().st_size for path in files_below(store.spool_dir)):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            api.process.kill()
            api.process.wait()
    assert files_below(store.spool_dir) != []
    with start_api(tmp_path) as api:
        assert httpx.get(f"{api.url}/v1/datasets").json()["items"] == []
        assert files_below(store.spool_dir) == []
    assert not (tmp_path / "datasets").exists()


class Users:
    """Threads that upload, submit and encode until the service is gone, and note what they were answered."""

    def __init__(self, url, model_id, number):
        self.datasets, self.jobs = {}, {}
        self._url, self._model_id, self._number = url, model_id, number
        self._threads = [
            threading.Thread(target=self._work, args=(work, index))
            for index, work in enumerate((self._upload, self._upload, self._submit, self._encode))
        ]
        for thread in self._threads:
            thread.start()

    def wait_for_jobs(self, count):
        deadline = time.monotonic() + 60
        while len(self.jobs) < count:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def join(self):
        for thread in self._threads:
            thread.join()

    def _work(self, work, index):
        with httpx.Client(base_url=self._url, timeout=20) as client:
            for count in itertools.count():
                try:
                    work(client, f"{self._number}-{index}-{count}")
                except httpx.TransportError:
                    return

    def _upload(self, client, name):
        rows = 50 + len(self.datasets) % 7
        body = "a,b,c\n" + "1,2,3\n4,5,6\n" * rows
        answer = client.post("/v1/datasets", params={"name": name}, content=body, headers=CSV)
        assert answer.status_code == 201, answer.text
        self.datasets[answer.json()["id"]] = 2 * rows

    def _submit(self, client, key):
        while not self.datasets:
            time.sleep(0.001)
        body = {"dataset": next(iter(self.datasets)), "name": key}
        answer = client.post("/v1/jobs", json=body, headers={"idempotency-key": key})
        assert answer.status_code == 202, answer.text
        self.jobs[key] = (answer.json()["id"], body)

    def _encode(self, client, _):
        rows = {"rows": [[0.0, 1.0, 2.0]] * 200}
        assert client.post(f"/v1/models/{self._model_id}/encodings", json=rows).status_code == 200


def listed(client, path):
    items, url = [], f"{path}?limit=1000"
    while url:
        page = client.get(url)
        items += page.json()["items"]
        url = page.links.get("next", {}).get("url")
    return items


def check_all_is_whole(client, store, users):
    found = {dataset["id"]: dataset["rows"] for dataset in listed(client, "/v1/datasets")}
    for dataset_id, rows in found.items():
        assert np.load(store.datasets.values_path(dataset_id), mmap_mode="r").shape == (rows, 3)
    jobs = listed(client, "/v1/jobs")
    for job in jobs:
        assert [event["type"] for event in listed(client, f"/v1/jobs/{job['id']}/events")][:1] == [
            "submitted"
        ]
    names = [job["config"]["name"] for job in jobs]
    assert len(names) == len(set(names))  # one job for each key
    assert users.datasets.items() <= found.items()
    ids = {job["config"]["name"]: job["id"] for job in jobs}
    for key, (job_id, body) in users.jobs.items():
        assert ids[key] == job_id
        again = client.post("/v1/jobs", json=body, headers={"idempotency-key": key})
        assert (again.json()["id"], again.headers["idempotency-replayed"]) == (job_id, "true")
    assert files_below(store.spool_dir) == []


def test_killed_at_any_moment_the_service_keeps_what_it_answered_and_nothing_half_made(
    start_api, serve, base_settings, tmp_path, store
):
    with serve(base_settings.model_copy(update={"data_dir": tmp_path})) as api:
        model_id = api.model()
    moments = random.Random(7)
    earlier = []
    for number in range(ROUNDS + 1):
        with start_api(tmp_path) as api:
            with httpx.Client(base_url=api.url, timeout=30) as client:
                for users in earlier:
                    check_all_is_whole(client, store, users)
            if number < ROUNDS:
                earlier.append(Users(api.url, model_id, number))
                earlier[-1].wait_for_jobs(moments.randint(1, 12))
                time.sleep(moments.uniform(0, 0.05))
                api.process.kill()
                earlier[-1].join()
