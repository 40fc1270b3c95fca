"""Tables whose values float32 cannot tell apart: they are grouped, coded and decoded as any others."""

import json

import numpy as np
import onnxruntime
import pytest
import torch

from catvq.features.table import FeatureTable
from catvq.frozen.table_encoder import TableEncoder, _torch

FEATURES = ("julian", "unix", "plain", "pascal", "tiny", "other")
ROWS = 600


@pytest.fixture(scope="module")
def table():
    """Two causes seen by three features each, in units of every kind, some cells missing."""
    rng = np.random.default_rng(5)
    cause = np.repeat(rng.standard_normal((ROWS, 2)), 3, axis=1)
    seen = cause + 0.4 * rng.standard_normal(cause.shape)
    values = np.stack(
        [
            2460310.5 + np.round(20 * seen[:, 0]) / 4,
            1.7e9 + np.round(1000 * seen[:, 1]),
            seen[:, 2],
            101_325 + 0.01 * seen[:, 3],
            1e-46 * seen[:, 4],
            -3 * seen[:, 5],
        ],
        axis=1,
    )
    values[rng.random(values.shape) < 0.02] = np.nan
    return FeatureTable(values, FEATURES, {"all": FEATURES})


@pytest.fixture(scope="module")
def model(table, train, make_config):
    config = make_config(model={"categories": 2}, training={"epochs": 20, "batch_size": 64})
    return train(table, config).freeze()


@pytest.fixture(scope="module")
def directory(model, tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    model.save(directory)
    return directory


def codes_of(directory, rows):
    session = onnxruntime.InferenceSession(directory / "encoder.onnx", providers=["CPUExecutionProvider"])
    return session.run(["codes"], {"rows": rows})[0]


def test_every_feature_is_kept_and_joins_those_of_its_cause(model):
    categories = [feature["category"] for feature in model.grouping["features"]]

    assert [line["status"] for line in model.report["cleaning"]] == ["kept"] * 6
    assert categories in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])


def test_rows_that_float32_takes_for_equal_have_codes_of_their_own(model, directory, table):
    rows = np.tile(np.nanmedian(table.values, axis=0), (5, 1))
    rows[:, 0] += np.array([-8, -4, 0, 4, 8])  # float32 is 0.25 apart there
    rows[:, 3] += np.array([-0.02, -0.01, 0, 0.01, 0.02])  # and 0.008 here
    rows[:, 4] += np.array([-2, -1, 0, 1, 2]) * 1e-46  # and knows of no such numbers

    assert len(np.unique(codes_of(directory, rows), axis=0)) == 5
    assert len(np.unique(codes_of(directory, rows)[:, :2], axis=0)) > 2
    assert len(np.unique(codes_of(directory, rows)[:, 2:], axis=0)) > 2


def test_graph_and_torch_give_the_same_codes_in_double(model, directory, table):
    document = json.loads((directory / "model.json").read_bytes())
    own = model.weights.encode(torch.from_numpy(model.cleaner.normalize(table.values))).numpy()

    assert document["rows_dtype"] == "float64"
    assert np.array_equal(codes_of(directory, table.values), own)
    assert np.array_equal(TableEncoder.read(directory, torch.device("cpu")).encode(table.values), own)
    assert np.array_equal(_torch(directory, document, torch.device("cpu"))({"rows": table.values}), own)


def test_the_decoder_gives_doubles_near_the_rows(model, directory, table):
    session = onnxruntime.InferenceSession(directory / "decoder.onnx", providers=["CPUExecutionProvider"])
    rows = session.run(["rows"], {"codes": codes_of(directory, table.values)})[0]
    codes = torch.from_numpy(codes_of(directory, table.values))
    own = model.cleaner.restore(model.weights.decode(codes).numpy())
    gap = (rows - table.values) / np.nanstd(table.values, axis=0)

    assert rows.dtype == np.float64
    assert (np.abs(rows - own) <= 1e-5 * model.cleaner.scale).all()
    assert (np.nanmean(np.square(gap), axis=0) < 0.6).all()


def test_a_mapped_table_gives_the_model_of_one_in_memory(model, table, train, make_config, tmp_path):
    np.save(tmp_path / "values.npy", table.values)
    mapped = FeatureTable(np.load(tmp_path / "values.npy", mmap_mode="r"), FEATURES, {"all": FEATURES})
    config = make_config(model={"categories": 2}, training={"epochs": 20, "batch_size": 64})

    assert train(mapped, config).freeze().digest == model.digest
