"""Weights of rows are looked at before a job is accepted."""

import numpy as np
import pytest

from app.requests.jobs.dry_run import InvalidPlanError, resolve_plan
from tests.app.requests.jobs.plain_dataset import dataset
from worker.contract.job_config import JobRequest

FIELD = "training.sample_weight"


def post(api, weights, *, is_key, dry_run="true", **training):
    rows = "".join(f"{row % 7},{row * row % 11},{weight}\n" for row, weight in enumerate(weights))
    params = {"types": '{"w":"key"}'} if is_key else {}
    headers = {"content-type": "text/csv"}
    uploaded = api.client.post("/v1/datasets", content=f"a,b,w\n{rows}", params=params, headers=headers)
    assert uploaded.status_code in {200, 201}, uploaded.text
    body = {
        "dataset": uploaded.json()["id"],
        "training": {"sample_weight": "w", **training},
        **({} if is_key else {"features": {"exclude": ["w"]}}),
    }
    return api.client.post("/v1/jobs", json=body, params={"dry_run": dry_run})


def weights_with(cell, row=4):
    return [cell if place == row else 1 + place % 3 for place in range(40)]


@pytest.mark.parametrize(
    ("is_key", "cell", "told"),
    [
        (True, -1, "is '-1' in row 5"),
        (True, "heavy", "is 'heavy' in row 5"),
        (True, "inf", "is 'inf' in row 5"),
        (True, "", "is missing in row 5"),
        (False, -2.5, "is -2.5 in row 5"),
        (False, "", "is missing in row 5"),
        (False, "NaN", "is missing in row 5"),
    ],
)
@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_a_weight_that_is_none_is_named_by_its_row(api, is_key, cell, told, dry_run):
    answer = post(api, weights_with(cell), is_key=is_key, dry_run=dry_run)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_config")
    (error,) = answer.json()["errors"]
    assert (error["field"], error["row"]) == (FIELD, 5)
    assert told in error["detail"]
    assert "a number of at least 0, which 1 row of 40 lacks" in error["detail"]


@pytest.mark.parametrize("is_key", [True, False])
def test_weights_that_are_all_zero_are_refused(api, is_key):
    (error,) = post(api, ["0"] * 40, is_key=is_key).json()["errors"]
    assert error["field"] == FIELD
    assert error["detail"].endswith("is 0 in every row: nothing would be learnt from")


@pytest.mark.parametrize("is_key", [True, False])
def test_weights_of_which_some_are_zero_are_taken(api, is_key):
    answer = post(api, weights_with(0), is_key=is_key)
    assert answer.status_code == 200, answer.text


def test_what_else_is_wrong_is_named_beside_it(api):
    answer = post(api, weights_with(-1), is_key=True, batch_size=50)
    assert [error["field"] for error in answer.json()["errors"]] == ["training.batch_size", FIELD]


@pytest.mark.parametrize(
    ("name", "said"), [("a1", "is learnt from"), ("a2", "is categorical"), ("w", "is no column")]
)
def test_what_cannot_weigh_rows_is_refused(name, said):
    columns = [("a2", "categorical", ["x"]), ("key", "key", None)]
    sections = {"training": {"sample_weight": name}, "features": {"exclude": ["a0", "a2"]}}
    with pytest.raises(InvalidPlanError, match=said) as raised:
        resolve_plan(JobRequest(dataset="ds_1", **sections).config, dataset(columns=columns))
    assert [error.field for error in raised.value.errors] == ["training.sample_weight"]
    for fine in ("a0", "key"):
        sections["training"]["sample_weight"] = fine
        assert resolve_plan(JobRequest(dataset="ds_1", **sections).config, dataset(columns=columns))


@pytest.mark.parametrize("is_key", [True, False])
def test_rows_are_counted_through_all_blocks(api, is_key, monkeypatch):
    monkeypatch.setattr("app.requests.jobs.row_weights.ROWS_AT_ONCE", 7)
    (error,) = post(api, weights_with(-1, row=25), is_key=is_key).json()["errors"]
    assert error["row"] == 26
    (error,) = post(api, ["0"] * 40, is_key=is_key).json()["errors"]
    assert "is 0 in every row" in error["detail"]
    assert post(api, ["0"] * 39 + ["1"], is_key=is_key).status_code == 200


def test_a_weight_far_behind_in_a_large_table_is_found(api):
    rows, features = 700_000, 100  # 280 MB, of which the disk holds the last page only
    dataset_id = post(api, weights_with(0, row=9), is_key=False).json()["config"]["dataset"]
    path = api.store.datasets.values_path(dataset_id)
    values = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, features))
    values[-1, 2] = -1
    values.flush()
    body = {
        "dataset": dataset_id,
        "training": {"sample_weight": "w"},
        "features": {"exclude": ["w"]},
    }
    (error,) = api.client.post("/v1/jobs", json=body, params={"dry_run": "true"}).json()["errors"]
    assert error["row"] == rows
