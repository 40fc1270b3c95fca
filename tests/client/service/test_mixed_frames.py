"""Frames with text, dates and ids are encoded as they are, whatever holds them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from catvq_client import ApiError

ROWS = 80
TYPES = {"when": "datetime", "who": "key"}


@pytest.fixture(scope="module")
def frame():
    random = np.random.default_rng(3)
    kind = random.integers(0, 3, ROWS)
    size = kind + random.normal(size=ROWS) / 10
    return pd.DataFrame(
        {
            "who": [f"p{row}" for row in range(ROWS)],
            "site": np.array(["north", "south", "west"])[kind],
            "size": np.where(np.arange(ROWS) == 5, -999, size),
            "twice": 2 * size,
            "when": pd.Timestamp("2026-01-31") + pd.to_timedelta(np.arange(ROWS) % 7, "D"),
            "flag": kind > 1,
        }
    )


@pytest.fixture(scope="module")
def mixed(client, frame):
    dataset = client.datasets.upload(frame, types=TYPES, na_values=[-999])
    request = {
        "dataset": dataset.id,
        "model": {"categories": 2, "levels": 1, "hidden_dim": 8, "embedding_dim": 4},
        "assignment": {"mode": "static"},
        "training": {"epochs": 1, "batch_size": 16},
        "report": {"baselines": False},
    }
    job = client.jobs.wait(client.jobs.submit(request).id, timeout_s=120)
    assert job.status == "succeeded", job.reason
    return client.models.get(job.model)


class Foreign:
    """A frame of another library, as that of polars."""

    def __init__(self, table):
        self.table = table
        self.columns = table.column_names

    def to_numpy(self):
        return np.array([column.to_pylist() for column in self.table.columns], object).T

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def test_a_model_knows_what_its_features_were(mixed):
    assert mixed.features == ("site", "size", "twice", "when", "flag")
    assert mixed.document()["values"][0] == ["north", "south", "west"]
    assert mixed.origins == (None, None, None, "2026-01-31T00:00:00", None)
    assert (mixed.reading.na_values, mixed.is_plain) == ((-999,), False)


def test_frames_of_every_library_are_encoded_alike(client, mixed, frame, tmp_path):
    whole = client.models.encodings(mixed.id, frame, keys=["who"])
    assert whole.status.count("imputed") == 1
    assert whole.keys == {"who": tuple(frame["who"])}

    path = tmp_path / "rows.csv"
    frame.to_csv(path, index=False)
    turned = frame[list(frame.columns[::-1])]
    table = pa.table(frame)
    lists = {name: cells.to_pylist() for name, cells in zip(table.column_names, table.columns, strict=True)}
    lists["when"] = [moment.isoformat() for moment in lists["when"]]
    for rows in (frame, turned, table, Foreign(table), lists, path):
        np.testing.assert_array_equal(client.models.encode(mixed.id, rows), whole.codes)


def test_what_is_no_time_is_named_by_the_service(client, mixed, frame):
    with pytest.raises(ApiError) as refusal:
        client.models.encode(mixed.id, frame.assign(when="soon"))
    assert refusal.value.problem.code == "not_a_time"
    with pytest.raises(ApiError) as refusal:
        client.models.encode(mixed.id, frame.drop(columns="site"))
    assert refusal.value.problem.code == "missing_column"


def test_groupings_and_codes_become_frames(client, mixed, frame):
    grouping = client.models.grouping(mixed.id).to_pandas()
    assert list(grouping.columns) == ["name", "family", "category", "confidence", "runner_up"]
    assert tuple(grouping["name"]) == mixed.features
    assert set(grouping["category"]) <= set(mixed.categories)

    codes = client.models.encodings(mixed.id, frame, keys=["who"]).to_pandas()
    expected = ["who", *mixed.tokens, "reconstruction_error", "distance_percentile", "status"]
    assert list(codes.columns) == expected
    assert len(codes) == ROWS
    assert (codes["status"] == "imputed").sum() == 1


def test_the_command_says_what_columns_are(catvq, tmp_path):
    path = tmp_path / "bare.csv"
    path.write_text("".join(f"{row}/02/2026;{row};{row % 3};?\n" for row in range(1, 29)))
    reading = ["--header", "absent", "--columns", "day,a,b,c", "--delimiter", ";", "--date-order", "day"]
    reading += ["--type", "day=datetime", "--exclude", "c", "--families", '{"all":["day","a","b"]}']

    checked = catvq("datasets", "check", path, *reading, "--json")
    assert checked.returncode == 0, checked.stderr
    uploaded = catvq("datasets", "upload", path, *reading, "--json")
    for answer in (checked, uploaded):
        assert '"origin": "2026-02-01T00:00:00"' in answer.stdout
        assert '"name": "b"' in answer.stdout
        assert '"all"' in answer.stdout
    only = catvq("datasets", "check", path, *reading[:-2], "--include", "[ab]", "--json")
    assert '"features": [\n    "a",\n    "b"\n  ]' in only.stdout, only.stdout
