import pytest

from app.http.suggestions import fields_at, unknown_field
from worker.contract.job_config import JobRequest


def test_fields_are_those_of_the_part_of_the_body():
    assert "dataset" in fields_at(JobRequest, [])
    assert "categories" in fields_at(JobRequest, ["model"])
    assert fields_at(JobRequest, ["labels"]) == ()
    assert fields_at(dict, []) == ()


def test_only_a_near_name_is_suggested():
    assert unknown_field("categoris", ["categories", "levels"]) == "unknown field; did you mean 'categories'?"
    assert unknown_field("nothing", ["categories"]) == "unknown field"
    assert unknown_field("categories" * 1000, ["categories"]) == "unknown field"


@pytest.mark.parametrize(
    ("body", "field", "suggestion"),
    [
        ({"datset": "x"}, "datset", "dataset"),
        ({"model": {"categoris": 6}}, "model.categoris", "categories"),
        ({"training": {"epoch": 6}}, "training.epoch", "epochs"),
    ],
)
def test_an_unknown_field_of_a_job_comes_with_the_one_that_was_probably_meant(
    client, body, field, suggestion
):
    answer = client.post("/v1/jobs", json={"dataset": "ds_0"} | body, params={"dry_run": "true"})
    assert answer.status_code == 422, "before the dataset is looked for"
    places = {place["field"]: place["detail"] for place in answer.json()["errors"]}
    assert places[field] == f"unknown field; did you mean {suggestion!r}?"


def test_an_unknown_parameter_comes_with_the_one_that_was_probably_meant(client):
    answer = client.get("/v1/jobs", params={"statuss": "queued"})
    assert answer.json()["errors"][0]["detail"] == "unknown field; did you mean 'status'?"


def test_settings_are_checked_before_the_dataset_is_looked_for(client):
    answer = client.post("/v1/jobs", json={"dataset": "ds_0"}, params={"dry_run": "true"})
    assert (answer.status_code, answer.json()["code"]) == (404, "dataset_not_found")
