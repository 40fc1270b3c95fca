"""Jobs: submitted once per key, watched, listed by labels, cancelled, deleted."""

import re
from datetime import datetime

import pytest

from app.schemas.jobs import JobPlan

FIELDS = {
    "id",
    "status",
    "status_reason",
    "queue",
    "created_at",
    "started_at",
    "finished_at",
    "progress",
    "temperature",
    "losses",
    "assignment",
    "codebook",
    "attempt",
    "config",
    "seed",
    "kind",
    "model",
    "result",
    "error",
    "links",
}


def submit(api, headers=None, params=None, **fields):
    body = {"dataset": api.dataset()} | fields
    return api.client.post("/v1/jobs", json=body, headers=headers or {}, params=params or {})


def test_a_job_needs_only_a_dataset(api):
    answer = submit(api)
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert int(answer.headers["retry-after"]) > 0
    assert set(job) == FIELDS
    assert job["status"] == "queued"
    assert job["queue"]["position"] >= 1
    assert datetime.fromisoformat(job["created_at"]).tzinfo is not None
    assert api.client.get(answer.headers["location"]).json()["id"] == job["id"]


def test_the_configuration_comes_back_complete(api):
    job = submit(api, name="n", labels={"team": "x"}, training={"epochs": 7, "seed": 5}).json()
    assert (job["config"]["name"], job["config"]["labels"], job["seed"]) == ("n", {"team": "x"}, 5)
    assert job["config"]["training"]["epochs"] == 7
    assert isinstance(job["config"]["training"]["batch_size"], int)
    assert job["config"]["assignment"]["estimator"] != "auto"
    assert job["progress"]["epochs"] == 7


def test_a_configuration_that_came_back_can_be_sent_again(api):
    config = submit(api).json()["config"]
    again = api.client.post("/v1/jobs", json=config)
    assert (again.status_code, again.json()["config"]) == (202, config)


def test_a_dataset_to_test_on_that_is_not_there_is_named(api):
    answer = submit(api, training={"split": {"test": "ds_0"}})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "training.split.test")


def test_a_job_that_goes_on_from_weights_of_other_sizes_is_refused_by_size(api):
    start = {"init": "model", "model": api.model(), "take": "weights"}
    answer = submit(api, assignment=start, model={"levels": 1, "embedding_dim": 2, "hidden_dim": 1})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["model.embedding_dim"]


@pytest.mark.parametrize("number", ["-2.2424109765012322e+145", "1" + "0" * 30, "1e300"])
@pytest.mark.parametrize("name", ["epochs", "learning_rate", "split_by", "max_seconds"])
def test_a_number_of_any_size_is_checked_and_no_fault_of_the_service(api, name, number):
    body = f'{{"dataset": "{api.dataset()}", "training": {{"{name}": {number}}}}}'
    answer = api.client.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, f"training.{name}")


def test_a_whole_number_may_be_written_as_a_float(api):
    headers = {"content-type": "application/json"}
    body = f'{{"dataset": "{api.dataset()}", "training": {{"epochs": 7.0, "learning_rate": 1}}}}'
    answer = api.client.post("/v1/jobs", content=body, headers=headers)
    assert answer.json()["config"]["training"]["epochs"] == 7


def test_a_dry_run_stores_nothing(api):
    before = len(api.client.get("/v1/jobs", params={"limit": 1000}).json()["items"])
    answer = submit(api, params={"dry_run": "true"}, training={"epochs": 4})
    plan = answer.json()
    assert answer.status_code == 200
    assert plan["steps"] >= 4 * plan["steps_per_epoch"] > 0
    assert plan["estimate"]["memory_bytes"] > 0
    assert plan["config"]["training"]["epochs"] == 4
    assert set(plan) == set(JobPlan.model_fields)  # as OpenAPI says
    assert len(api.client.get("/v1/jobs", params={"limit": 1000}).json()["items"]) == before


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_what_does_not_fit_the_dataset_is_named(api, dry_run):
    answer = submit(api, params={"dry_run": dry_run}, model={"categories": 50})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_config")
    assert answer.json()["errors"][0]["field"] == "model.categories"


USER = {"init": "user"}
HIDDEN = {
    "name": {"name": "a\u202eb"},
    "dataset": {"dataset": "ds\0"},
    "labels.te\\u2028am": {"labels": {"te\u2028am": "x"}},
    "labels.team": {"labels": {"team": "x\x85"}},
    "assignment.groups.first\\u007f": {"assignment": USER | {"groups": {"first\x7f": ["a", "b", "c"]}}},
    "assignment.groups.first.1": {"assignment": USER | {"groups": {"first": ["a", "b\u200f", "c"]}}},
    "assignment.model": {"assignment": {"init": "model", "model": "@x\0"}},
}


@pytest.mark.parametrize(("field", "changes"), HIDDEN.items(), ids=range(len(HIDDEN)))
def test_a_name_or_label_with_a_character_that_cannot_be_seen_is_refused_by_its_field(api, field, changes):
    answer = api.client.post("/v1/jobs", json={"dataset": api.dataset()} | changes)
    (fault,) = answer.json()["errors"]
    assert (answer.status_code, fault["field"]) == (422, field)
    assert re.fullmatch(r"holds U\+[0-9A-F]{4}, which cannot be seen; leave it out", fault["detail"])
    assert answer.text.isascii()


def test_an_unknown_dataset_or_model_is_not_found_and_its_field_named(api):
    answer = submit(api, dataset="ds_0")
    assert (answer.status_code, answer.json()["code"]) == (404, "dataset_not_found")
    assert answer.json()["errors"][0]["field"] == "dataset"
    answer = submit(api, assignment={"init": "model", "model": "model_0"})
    assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")
    assert answer.json()["errors"][0]["field"] == "assignment.model"


def test_a_job_may_start_from_a_model(api, model_id):
    answer = submit(api, assignment={"init": "model", "model": model_id})
    assert answer.status_code == 202, answer.text
    api.client.post(f"/v1/jobs/{answer.json()['id']}/cancel")


def test_one_key_and_one_body_are_one_job(api):
    headers = {"Idempotency-Key": "key-1"}
    first = submit(api, headers, training={"epochs": 3})
    again = submit(api, headers, training={"epochs": 3})
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    other = submit(api, headers, training={"epochs": 4})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", "x" * 201, "a b", "\u00e9", "a\x85"])
def test_a_key_of_another_form_is_refused(api, key):
    answer = submit(api, {"Idempotency-Key": key.encode("latin-1")})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key".lower())


def test_a_running_job_shows_how_it_stands(api):
    claim = api.running_job(epochs=4, recorded=2)
    job = api.client.get(f"/v1/jobs/{claim.job.id}").json()
    assert set(job) == FIELDS
    assert job["status"] == "running"
    assert job["queue"] == {"position": None}
    assert job["progress"] == {
        "fraction": 0.5,
        "epoch": 2,
        "epochs": 4,
        "step": 20,
        "steps": 40,
        "eta_seconds": 1.0,
    }
    assert job["losses"] == {"total": 1.0, "reconstruction": 0.5, "validation": None}
    assert job["attempt"]["number"] == 1


def test_a_failed_job_says_why(api):
    claim = api.running_job()
    api.store.leases.fail(claim, "out_of_memory", "the device is full")
    job = api.client.get(f"/v1/jobs/{claim.job.id}").json()
    assert (job["status"], job["error"]) == (
        "failed",
        {"code": "out_of_memory", "text": "the device is full"},
    )
    assert "cancel" not in job["links"]


def test_links_of_a_finished_job_all_answer(api, model_id):
    job_id = api.client.get(f"/v1/models/{model_id}").json()["job"]
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    assert job["links"]["model"] == f"/v1/models/{model_id}"
    for link in job["links"].values():
        assert api.client.get(link).status_code == 200, link


def test_jobs_are_listed_by_state_label_and_dataset(api):
    claim = api.running_job(labels={"team": "x", "run": "list"})
    waiting = api.job(labels={"team": "y", "run": "list"})

    def listed(**params):
        items = api.client.get("/v1/jobs", params=params).json()["items"]
        return [item["id"] for item in items]

    assert listed(**{"label.run": "list"}) == [waiting, claim.job.id]
    assert listed(**{"label.run": "list", "label.team": "x"}) == [claim.job.id]
    assert listed(**{"label.run": "list", "status": "queued"}) == [waiting]
    assert listed(**{"label.run": "list", "dataset": "ds_0"}) == []
    assert waiting in listed(dataset=api.dataset(), limit="1000")


@pytest.mark.parametrize("params", [{"status": "dead"}, {"label.": "x"}, {"label.a": "\0"}, {"labels": "x"}])
def test_a_filter_of_another_form_is_refused(client, params):
    assert client.get("/v1/jobs", params=params).status_code == 422


def test_a_list_of_jobs_keeps_its_filters_in_its_links(api):
    ids = [api.job(labels={"page": "links"}) for _ in range(3)]
    answer = api.client.get("/v1/jobs", params={"label.page": "links", "limit": 2})
    following = api.client.get(answer.links["next"]["url"])
    assert [item["id"] for item in answer.json()["items"] + following.json()["items"]] == ids[::-1]
    assert "next" not in following.links


def test_a_waiting_job_is_cancelled_at_once_and_then_deleted(api):
    job_id = api.job()
    assert api.client.delete(f"/v1/jobs/{job_id}").json()["code"] == "job_not_ended"
    answer = api.client.post(f"/v1/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert api.client.post(f"/v1/jobs/{job_id}/cancel").status_code == 409
    assert api.client.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert api.client.get(f"/v1/jobs/{job_id}").status_code == 404


def test_a_running_job_is_told_to_cancel(api):
    claim = api.running_job()
    answer = api.client.post(f"/v1/jobs/{claim.job.id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelling")
    assert api.client.delete(f"/v1/jobs/{claim.job.id}").status_code == 409


def test_a_full_queue_says_when_to_come_back(base_settings, serve, tmp_path):
    with serve(base_settings.model_copy(update={"data_dir": tmp_path, "max_queued_jobs": 1})) as small:
        assert submit(small).status_code == 202
        answer = submit(small)
        assert (answer.status_code, answer.json()["code"]) == (503, "queue_full")
        assert int(answer.headers["retry-after"]) > 0
