"""Jobs on datasets with series and grids."""

import hashlib
import json

import numpy as np
import pytest
import torch
from pyarrow import parquet

from catvq.features.sequences import Grids, Series
from catvq.frozen.table_encoder import TableEncoder
from worker.contract.job_config import EncodingJobRequest, JobStatus
from worker.jobs.encoding import row_codes
from worker.store import NewDataset, NewFiles

ROWS = 60
TABLE = ["age"]
SERIES, GRID = ["ecg/0", "ecg/1"], ["image/red"]


def kinds(series=SERIES):
    return [
        {
            "family": "ecg",
            "kind": "series",
            "channels": [name.removeprefix("ecg/") for name in series],
            "length": {"min": 0, "max": 12},
            "shape": None,
        },
        {"family": "image", "kind": "grid", "channels": ["red"], "length": None, "shape": [4, 5]},
    ]


@pytest.fixture
def draw():
    """Values of a table, of series with lengths from 0 on, and of grids."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 13, ROWS)
    cause = rng.standard_normal(ROWS)
    steps = np.repeat(cause, lengths)[:, None] + 0.3 * rng.standard_normal((lengths.sum(), 2))
    age = (cause + 0.2 * rng.standard_normal(ROWS))[:, None]
    image = rng.standard_normal((ROWS, 1, 4, 5)) * np.exp(cause)[:, None, None, None]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return age.astype(np.float32), steps.astype(np.float32), offsets, image.astype(np.float32)


@pytest.fixture
def store_dataset(store):
    """Stores such a dataset."""

    def put(age, steps, offsets, image, *, series=SERIES):
        paths = {name: store.spool_dir / f"{name}.npy" for name in ("age", "steps", "offsets", "image")}
        for path, array in zip(paths.values(), (age, steps, offsets, image), strict=True):
            np.save(path, array)
        new = NewDataset(
            name="mixed",
            features=[*TABLE, *series, *GRID],
            families={"all": TABLE, "ecg": series, "image": GRID},
            kinds=kinds(series),
            digest=hashlib.sha256(json.dumps(series).encode()).hexdigest(),
            rows=len(age),
            warnings=[],
        )
        files = NewFiles(
            values=paths["age"], families=((paths["steps"], paths["offsets"]), (paths["image"], None))
        )
        return store.datasets.create(new, files)[0]

    return put


@pytest.fixture
def dataset(store_dataset, draw):
    return store_dataset(*draw)


@pytest.fixture
def model(store, dataset, submit, run):
    job = submit(
        model={"categories": 2, "levels": 2},
        training={"epochs": 2},
        assignment={"mode": "static"},
        report={"baselines": False},
    )
    return store.models.get(run(store.leases.claim(job.id, "w", threads=1)).model_id)


@pytest.fixture
def encode_dataset(store, model, run):
    """Encodes a dataset by a job."""

    def do(source, **fields):
        request = EncodingJobRequest(dataset=source.id, **fields)
        job = store.jobs.submit_encoding(request, model.id, rows=source.rows).job
        done = run(store.leases.claim(job.id, "w", threads=1))
        assert done.status is JobStatus.SUCCEEDED, done.error
        return store.datasets.get(done.result_dataset_id)

    return do


@pytest.fixture
def encoder(store, model):
    return TableEncoder.read(store.models.directory(model.id), torch.device("cpu"))


def codes_of(store, result):
    return np.load(store.datasets.values_path(result.id))


def test_a_model_of_series_and_grids_is_trained_and_encodes_its_dataset(
    model, dataset, encode_dataset, encoder, draw, store
):
    age, steps, offsets, image = draw
    own = encoder.encode(age, {"ecg": Series.divide(steps, offsets), "image": Grids(image)})

    assert model.document["features"] == [*TABLE, *SERIES, *GRID]
    assert [kind["family"] for kind in model.document["kinds"]] == ["ecg", "image"]
    assert np.array_equal(codes_of(store, encode_dataset(dataset)), own)


def test_channels_are_matched_by_name(store, encode_dataset, store_dataset, dataset, draw):
    age, steps, offsets, image = draw
    turned = store_dataset(age, steps[:, ::-1], offsets, image, series=SERIES[::-1])

    assert np.array_equal(codes_of(store, encode_dataset(turned)), codes_of(store, encode_dataset(dataset)))


def test_prefixes_have_a_row_each(store, encode_dataset, dataset, encoder, draw, monkeypatch):
    monkeypatch.setattr(row_codes, "ROWS_AT_ONCE", 20)
    monkeypatch.setattr(row_codes, "BATCHES_PER_PART", 2)
    age, steps, offsets, image = draw
    result = encode_dataset(dataset, prefixes=[3, 1, 500])
    codes = codes_of(store, result).reshape(ROWS, 3, -1)
    keys = parquet.read_table(store.datasets.keys_path(result.id)).to_pydict()

    assert result.rows == 3 * ROWS
    assert [column for column in result.columns if column["type"] == "key"] == [
        {"name": "row", "type": "key"},
        {"name": "length", "type": "key"},
    ]
    assert keys["row"][:4] == ["0", "0", "0", "1"]
    assert keys["length"][:4] == ["3", "1", "500", "3"]
    for place, length in enumerate([3, 1, 500]):
        cut = Series.divide(steps, offsets).begin(np.full(ROWS, length))
        assert np.array_equal(codes[:, place], encoder.encode(age, {"ecg": cut, "image": Grids(image)}))
