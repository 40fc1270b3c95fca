"""`catvq train` with a table alone, and what is checked before the table is sent."""

import json

import pytest

from tests.client.conftest import Answer
from tests.client.test_cli import DATASET, JOB

UNKNOWN_DATASET = Answer(404, {"title": "Not found", "status": 404, "code": "dataset_not_found"})


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "digits.csv"
    path.write_text("a,b\n1,2\n")
    return path


def test_a_table_alone_is_uploaded_trained_on_and_waited_for(catvq, scripted, table):
    queued = {**JOB, "status": "queued", "model": None}
    scripted.answers = [UNKNOWN_DATASET, Answer(201, DATASET), Answer(202, queued), Answer(200, JOB)]
    done = catvq("train", table)
    assert done.exit_code == 0, done.output
    assert [f"{request.method} {request.path}" for request in scripted.requests] == [
        "POST /v1/jobs?dry_run=true",
        "POST /v1/datasets?name=digits",
        "POST /v1/jobs",
        "GET /v1/jobs/job_1",
    ]
    assert json.loads(scripted.requests[2].body) == {"dataset": "ds_1"}
    assert "model model_1: `catvq grouping model_1`" in done.stderr


def test_single_settings_are_yaml_and_stand_above_the_file(catvq, scripted, table, tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text("training: {epochs: 5, seed: 1}\n")
    scripted.answers = [UNKNOWN_DATASET, Answer(201, DATASET), Answer(202, JOB)]
    settings = ("training.epochs=9", "model.categories={f: 2}", "families=prefix:_", "name=x=y")
    done = catvq("train", table, "--config", config, *(part for each in settings for part in ("--set", each)))
    assert done.exit_code == 0, done.output
    assert scripted.requests[1].path == "/v1/datasets?name=digits&families=prefix%3A_"
    assert json.loads(scripted.requests[2].body) == {
        "dataset": "ds_1",
        "training": {"epochs": 9, "seed": 1},
        "model": {"categories": {"f": 2}},
        "name": "x=y",
    }


def test_settings_that_the_service_refuses_are_refused_before_the_upload(catvq, scripted, table):
    detail = "model.categoris: unknown field; did you mean 'categories'?"
    scripted.answers = [Answer(422, {"title": "Invalid", "status": 422, "detail": detail})]
    failed = catvq("train", table, "--set", "model.categoris=6")
    assert (failed.exit_code, len(scripted.requests)) == (7, 1)
    assert "did you mean 'categories'?" in failed.stderr


@pytest.mark.parametrize("setting", ["epochs", "=5", "training.epochs=[1"])
def test_a_setting_that_is_none_is_refused(catvq, scripted, table, setting):
    assert catvq("train", table, "--set", setting).exit_code == 1
    assert scripted.requests == []


def test_a_table_is_given_once(catvq, table):
    assert catvq("train", table, "--dataset", "ds_1").exit_code == 2
    assert catvq("train").exit_code == 2


def test_a_job_that_failed_is_printed_once_as_json(catvq, scripted):
    failed = {**JOB, "status": "failed", "error": {"code": "c", "text": "t"}}
    scripted.answers = [Answer(202, failed), Answer(200, failed)]
    ended = catvq("train", "ds_1", "--json")
    assert (ended.exit_code, json.loads(ended.stdout)["status"]) == (9, "failed")
