"""What is recorded of a job answers in every state and every format."""

import io

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet


@pytest.fixture(scope="module")
def running(api):
    return api.running_job(epochs=3, recorded=2).job.id


@pytest.fixture(scope="module")
def waiting(api):
    settings = {"temperature_start": 1.0, "temperature_end": 0.1, "temperature_schedule": "linear"}
    return api.job(assignment=settings)


def test_the_temperature_is_null_before_the_first_step(client, waiting):
    assert client.get(f"/v1/jobs/{waiting}/temperature").json() == {
        "temperature": None,
        "start": 1.0,
        "end": 0.1,
        "schedule": "linear",
        "epoch": None,
        "epochs": 100,
        "held": False,
    }


def test_the_temperature_is_that_of_the_last_epoch(client, running):
    answer = client.get(f"/v1/jobs/{running}/temperature").json()
    assert (answer["temperature"], answer["epoch"], answer["epochs"]) == (0.5, 2, 3)


def test_a_static_job_has_no_schedule(api):
    job_id = api.job(assignment={"mode": "static"})
    answer = api.client.get(f"/v1/jobs/{job_id}/temperature").json()
    assert (answer["start"], answer["end"], answer["schedule"]) == (None, None, None)


def test_the_assignment_is_null_before_the_first_step(client, waiting):
    path = f"/v1/jobs/{waiting}/assignment"
    assert client.get(path).json() == {
        "features": ["a", "b", "c"],
        "categories": None,
        "matrix": None,
        "temperature": None,
        "epoch": None,
    }
    array = np.load(io.BytesIO(client.get(path, headers={"accept": "application/x-npy"}).content))
    assert array.shape == (3, 0)
    assert client.get(path, headers={"accept": "text/csv"}).text.splitlines() == ["feature", "a", "b", "c"]


READERS = {
    "text/csv": lambda body: csv.read_csv(io.BytesIO(body)),
    "application/vnd.apache.arrow.stream": lambda body: pa.ipc.open_stream(body).read_all(),
    "application/vnd.apache.parquet": lambda body: parquet.read_table(io.BytesIO(body)),
}
MATRIX = np.array([[0.5, 0.5], [1, 0], [0, 1]])


def test_the_assignment_reads_back_from_every_format(client, running):
    path = f"/v1/jobs/{running}/assignment"
    answer = client.get(path).json()
    assert (answer["categories"], answer["epoch"], answer["temperature"]) == (["first", "second"], 2, 0.5)
    assert np.array(answer["matrix"]).tolist() == MATRIX.tolist()
    body = client.get(path, headers={"accept": "application/x-npy"})
    assert body.headers["vary"] == "Accept"
    array = np.load(io.BytesIO(body.content))
    assert (array.dtype, array.tolist()) == (np.float32, MATRIX.tolist())
    for media_type, read in READERS.items():
        answer = client.get(path, headers={"accept": media_type})
        assert answer.headers["content-type"].startswith(media_type)
        table = read(answer.content)
        assert table["feature"].to_pylist() == ["a", "b", "c"]
        assert table["second"].to_pylist() == [0.5, 0, 1]


def test_the_assignment_of_an_earlier_epoch_is_kept(client, running):
    answer = client.get(f"/v1/jobs/{running}/assignment", params={"epoch": 1})
    assert answer.json()["matrix"][0] == [0.25, 0.75]
    unknown = client.get(f"/v1/jobs/{running}/assignment", params={"epoch": 7})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "epoch_not_found")
    assert client.get(f"/v1/jobs/{running}/assignment", params={"epoch": -1}).status_code == 422


def test_a_format_that_is_not_offered_is_refused_with_the_list(client, running):
    answer = client.get(f"/v1/jobs/{running}/assignment", headers={"accept": "image/gif"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    assert "application/vnd.apache.parquet" in answer.json()["detail"]


def test_the_assignment_outlives_its_dataset(api):
    dataset_id = api.dataset(seed=77)
    job_id = api.client.post("/v1/jobs", json={"dataset": dataset_id}).json()["id"]
    api.client.post(f"/v1/jobs/{job_id}/cancel")
    api.client.delete(f"/v1/datasets/{dataset_id}")
    assert api.client.get(f"/v1/jobs/{job_id}/assignment").json()["features"] is None


def test_metrics_are_empty_before_the_first_step(client, waiting):
    assert client.get(f"/v1/jobs/{waiting}/metrics").json() == {
        "columns": ["epoch", "step", "time"],
        "points": [],
    }


def test_metrics_read_back_from_every_format(client, running):
    path = f"/v1/jobs/{running}/metrics"
    answer = client.get(path).json()
    assert answer["columns"] == ["epoch", "step", "time", "total", "validation"]
    assert [(point["epoch"], point["total"], point["validation"]) for point in answer["points"]] == [
        (1, 2.0, None),
        (2, 1.0, None),
    ]
    for media_type in ("text/csv", "application/vnd.apache.arrow.stream"):
        table = READERS[media_type](client.get(path, headers={"accept": media_type}).content)
        assert table["epoch"].to_pylist() == [1, 2]
        assert table["total"].to_pylist() == [2, 1]
    assert client.get(path, headers={"accept": "application/x-npy"}).status_code == 406


def test_metrics_are_never_more_than_asked_for(api):
    job_id = api.running_job(epochs=20, recorded=20).job.id
    points = api.client.get(f"/v1/jobs/{job_id}/metrics", params={"max_points": 5}).json()["points"]
    assert len(points) == 5
    assert (points[0]["epoch"], points[-1]["epoch"]) == (1, 20)
    for refused in (0, 1, 10_001):
        assert api.client.get(f"/v1/jobs/{job_id}/metrics", params={"max_points": refused}).status_code == 422


def test_events_are_numbered_and_paged(api, model_id):
    job_id = api.client.get(f"/v1/models/{model_id}").json()["job"]
    answer = api.client.get(f"/v1/jobs/{job_id}/events", params={"limit": 2})
    rest = api.client.get(answer.links["next"]["url"])
    events = answer.json()["items"] + rest.json()["items"]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events] == ["submitted", "started", "published"]
    assert events[-1]["data"]["model"] == model_id
    assert "next" not in rest.links


@pytest.mark.parametrize("cursor", ["x", "-1", "1" * 30, "\u0661"])
def test_a_cursor_of_another_form_is_refused(client, running, cursor):
    answer = client.get(f"/v1/jobs/{running}/events", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


def test_checkpoints_are_listed_newest_first(api, tmp_path):
    claim = api.running_job()
    directory = api.store.spool_dir.parent / "jobs" / claim.job.id
    directory.mkdir(parents=True)
    for epoch in (1, 2):
        path = directory / f"{epoch}.safetensors"
        path.write_bytes(b"x" * epoch)
        api.store.recordings.record_checkpoint(
            claim,
            epoch=epoch,
            step=10 * epoch,
            file_name=path.name,
            digest=f"sha256:{epoch}",
            size_bytes=epoch,
        )
    items = api.client.get(f"/v1/jobs/{claim.job.id}/checkpoints").json()["items"]
    assert [(item["epoch"], item["size_bytes"], item["digest"]) for item in items] == [
        (2, 2, "sha256:2"),
        (1, 1, "sha256:1"),
    ]
    assert str(directory) not in str(items)


@pytest.mark.parametrize("part", ["temperature", "assignment", "metrics", "events", "checkpoints"])
def test_an_unknown_job_has_no_records(client, part):
    answer = client.get(f"/v1/jobs/job_0/{part}")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


@pytest.mark.parametrize("part", ["assignment", "metrics"])
def test_records_are_drawn_in_every_state(client, running, waiting, part):
    for job_id in (running, waiting):
        svg = client.get(f"/v1/jobs/{job_id}/{part}", headers={"accept": "image/svg+xml"})
        assert (svg.headers["content-type"], svg.headers["vary"]) == ("image/svg+xml", "Accept")
        assert svg.text.startswith("<svg ")
        png = client.get(f"/v1/jobs/{job_id}/{part}", headers={"accept": "image/png"})
        assert png.content.startswith(b"\x89PNG")
    assert f"no {part} yet" in svg.text
