"""Machines that share a database, a queue and a bucket, and nothing else."""

import io

import httpx
import numpy as np
import pytest
import redis

from tests.worker.test_worker import LONG, Service, wait_until
from worker.contract.job_config import TRAIN_QUEUE, JobStatus
from worker.contract.settings import WorkerSettings

pytestmark = pytest.mark.slow


@pytest.fixture
def machine(tmp_path, redis_url, database_url, s3, monkeypatch):
    """Makes the service of a machine of this name, which is ended with the test."""
    settings = s3.settings | {"lease_s": 2.0}
    for name, value in settings.items():
        monkeypatch.setenv(f"CATVQ_{name.upper()}", str(value))
    with redis.Redis.from_url(redis_url) as client:
        client.delete(TRAIN_QUEUE)
    made = []

    def make(name):
        own = {"data_dir": tmp_path / name, "worker_name": name, "threads": 1}
        named = WorkerSettings(redis_url=redis_url, database_url=database_url, **own, **settings)
        made.append(Service(named, tmp_path / f"{name}.log"))
        return made[-1]

    yield make
    for each in made:
        if each.is_running:
            each.stop()
        each.announcer.close()
        each.store.close()


def test_a_job_of_a_machine_that_is_lost_is_resumed_by_another_and_served_by_a_third(
    machine, add_dataset, start_api, s3, tmp_path
):
    first, second = machine("first"), machine("second")
    dataset = add_dataset(store=first.store)
    first.start()
    job = first.submit(dataset, **LONG)
    wait_until(lambda: first.store.jobs.checkpoints(job.id), "a checkpoint")
    first.wait_for_epoch(job, 5)
    first.kill()
    second.start()
    wait_until(lambda: "resumed" in second.events(job), "another machine to resume the job")
    second.store.controls.finish(job.id)
    ended = second.wait_for_end(job)
    assert ended.status is JobStatus.SUCCEEDED
    assert ended.attempt.number == 2

    database = {"CATVQ_DATABASE_URL": second.settings.sqlalchemy_url}
    with (
        start_api(tmp_path / "third", log_dir=tmp_path, **database) as api,
        httpx.Client(base_url=api.url) as client,
    ):
        rows = np.load(second.store.datasets.values_path(dataset.id))
        answer = client.post(f"/v1/models/{ended.model_id}/encodings", json={"rows": rows.tolist()})
        assert answer.status_code == 200
        assert np.load(second.store.datasets.values_path(dataset.id)).shape == rows.shape
        assert client.get(f"/v1/datasets/{dataset.id}/rows").status_code == 200
        sent = client.post(
            "/v1/datasets", content="a,b\n1,2\n3,4\n", headers={"content-type": "text/csv"}
        ).json()
        assert np.load(first.store.datasets.values_path(sent["id"])).tolist() == [[1, 2], [3, 4]]
        assert client.get(f"/v1/datasets/{sent['id']}/rows", headers={"accept": "text/csv"}).text.split() == [
            "a,b",
            "1,2",
            "3,4",
        ]
        coding = client.post(
            f"/v1/models/{ended.model_id}/encoding-jobs", json={"dataset": dataset.id}
        ).json()
        second.announcer.announce(coding["id"])
        coded = second.wait_for_end(second.store.jobs.get(coding["id"]))
        assert coded.status is JobStatus.SUCCEEDED, coded.error
        codes = client.get(
            f"/v1/datasets/{coded.result_dataset_id}/rows", headers={"accept": "application/x-npy"}
        )
        assert np.load(io.BytesIO(codes.content)).tolist() == answer.json()["codes"]
        assert client.delete(f"/v1/models/{ended.model_id}").status_code == 204
        assert client.get(f"/v1/models/{ended.model_id}").status_code == 404
    assert not any(ended.model_id in name for name in s3.object_names())


def test_a_job_waits_for_a_storage_that_is_away(machine, add_dataset, s3):
    here = machine("here")
    dataset = add_dataset(store=here.store)
    here.start()
    job = here.submit(dataset, epochs=30)
    here.wait_for_epoch(job, 1)
    s3.faults.is_away = True
    wait_until(lambda: "waiting for the object storage" in here.log_path.read_text(), "the job to wait")
    assert here.store.jobs.get(job.id).status is JobStatus.RUNNING
    s3.faults.is_away = False
    ended = here.wait_for_end(job)
    assert ended.status is JobStatus.SUCCEEDED
    assert ended.attempt.number == 1
    assert "hidden" not in here.log_path.read_text()
