"""Health, metrics and what the service says of itself."""

from datetime import UTC, datetime

import pytest

from app.main import create_app


def test_health_says_ok(client):
    for path in ("/livez", "/readyz"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_the_entrance_leads_everywhere(client):
    info = client.get("/v1").json()
    for path in info["links"].values():
        assert client.get(path).status_code == 200, path
    assert info["versions"]["api"] == "v1"
    assert info["limits"]["max_rows"] == 5000
    assert "text/csv" in info["formats"]["datasets"]


def test_devices_are_those_of_the_workers(api):
    assert api.client.get("/v1").json()["devices"] == []
    for name, devices in (("w1", ("cpu",)), ("w2", ("cpu", "cuda:0"))):
        api.report_worker(name, devices=devices)
    plan = api.client.post("/v1/jobs", json={"dataset": api.dataset()}, params={"dry_run": "true"}).json()
    answers = {
        device: api.client.post("/v1/jobs", json={"dataset": api.dataset(), "training": {"device": device}})
        for device in ("cuda", "cuda:1")
    }
    assert api.client.get("/v1").json()["devices"] == ["cpu", "cuda:0"]
    for name in ("w1", "w2"):
        api.store.workers.leave(name)
    assert plan["config"]["training"]["device"] == "cuda"
    assert answers["cuda"].status_code == 202
    (error,) = answers["cuda:1"].json()["errors"]
    assert (answers["cuda:1"].status_code, error["field"]) == (422, "training.device")
    assert error["detail"] == "no worker has 'cuda:1'; there are cpu, cuda:0"


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"devices": 2}, 2),
        ({"devices": "all"}, 2),
        ({"devices": "all", "device": "cpu"}, 1),
        ({"devices": 3, "device": "cpu"}, 3),
        ({"devices": 3}, "no worker has 3 GPUs; there are cpu, cuda:0, cuda:1"),
        ({"devices": 2, "device": "cuda:1"}, "devices are the first ones: device 'cuda:1' is a single one"),
        ({"devices": 0}, "Input should be greater than or equal to 1; or Input should be 'all'"),
    ],
)
def test_a_job_may_have_as_many_devices_as_a_worker(api, training, expected):
    for name, devices in (("w1", ("cpu", "cuda:0")), ("w2", ("cpu", "cuda:0", "cuda:1"))):
        api.report_worker(name, devices=devices)
    body = {"dataset": api.dataset(), "training": training}
    answer = api.client.post("/v1/jobs", json=body, params={"dry_run": "true"})
    for name in ("w1", "w2"):
        api.store.workers.leave(name)
    if answer.status_code == 200:
        assert answer.json()["config"]["training"]["devices"] == expected
    else:
        assert answer.status_code == 422
        assert expected in {error["detail"] for error in answer.json()["errors"]}


def test_workers_are_listed_with_the_job_that_each_runs(api):
    since = datetime(2026, 1, 1, 12, tzinfo=UTC)
    for name, devices in (("a", ("cpu",)), ("a.1", ("cpu", "cuda:0", "cuda:1"))):
        api.report_worker(name, devices=devices, since=since)
    job_id = api.job()
    api.store.leases.claim(job_id, "a.1.20.21.ff", threads=1)
    idle, busy = api.client.get("/v1/workers").json()["items"]
    for name in ("a", "a.1"):
        api.store.workers.leave(name)
    assert idle["last_heard_of"] > idle["since"]
    assert idle | {"last_heard_of": None} == {
        "name": "a",
        "since": "2026-01-01T12:00:00Z",
        "device": "cpu",
        "job": None,
        "last_heard_of": None,
    }
    assert (busy["name"], busy["device"], busy["job"]) == ("a.1", "cuda:0", job_id)
    assert api.client.get("/v1/workers").json() == {"items": []}


def test_metrics_count_requests_by_route_not_by_path(client):
    for number in range(3):
        client.get(f"/v1/jobs/unknown-{number}")
        client.get(f"/nothing/{number}")
    text = client.get("/metrics").text
    assert 'route="/v1/jobs/{job_id}",status="404"' in text
    assert "unknown-1" not in text
    assert "/nothing" not in text


def test_metrics_tell_how_jobs_and_encodings_fare(serve, base_settings, tmp_path):
    with serve(base_settings.model_copy(update={"data_dir": tmp_path})) as api:
        api.running_job(recorded=2)  # 10 of 30 steps are left, and a second
        api.store.outbox.release_worker("tester")
        api.running_job(recorded=2)
        model_id = api.model()
        api.client.post(f"/v1/models/{model_id}/encodings", json={"rows": [[1, 2, 3]] * 5})
        text = api.client.get("/metrics").text
    numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert (numbers['catvq_jobs{status="queued"}'], numbers['catvq_jobs{status="running"}']) == ("1.0", "1.0")
    assert 0 < float(numbers['catvq_oldest_job_age_seconds{status="queued"}']) < 60
    assert numbers["catvq_training_steps_per_second"] == "10.0"
    assert numbers["catvq_lease_losses_total"] == "1.0"
    assert (numbers["catvq_encoded_rows_total"], numbers["catvq_encode_duration_seconds_count"]) == (
        "5.0",
        "1.0",
    )


@pytest.fixture(scope="module")
def document(base_settings):
    return create_app(base_settings).openapi()


def test_every_json_body_has_an_example(document):
    lacking = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
            for name, body in bodies.items():
                for media_type, content in body.get("content", {}).items():
                    is_text = "json" in media_type or media_type.startswith("text/")
                    if is_text and "example" not in content:
                        lacking.append((method, path, name, media_type))
    assert lacking == []


def test_every_route_documents_its_errors(document):
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert {"422", "503"} <= set(operation["responses"])
            assert "404" in operation["responses"] or "{" not in path
