"""Tables with series of any length and grids: they are grouped, coded and decoded beside numbers."""

import json

import numpy as np
import onnxruntime
import pytest
import torch

from catvq.comparison.compare import compare
from catvq.comparison.learnt_model import LearntModel
from catvq.comparison.verdict import NAMES
from catvq.descriptors.names import GRID, SERIES
from catvq.errors import ConfigError, ShapeError
from catvq.features.sequences import Grids, Series
from catvq.features.table import FeatureTable
from catvq.frozen.table_encoder import TableEncoder, _torch
from catvq.training.run import TrainingRun

ROWS = 300
FEATURES = ("a0", "b0", "s/level", "s/again", "s/swing", "s/flat", "g/0")


def draw(seed):
    """Two causes, each seen by a number and a channel; one channel repeats another, one never varies."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, ROWS))
    lengths = rng.integers(1, 40, ROWS)
    lengths[::20] = 0
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    row = np.repeat(np.arange(ROWS), lengths)
    noise = rng.standard_normal((2, len(row)))
    level = 2 * a[row] + 0.3 * noise[0]
    swing = np.exp(b[row]) * noise[1]
    swing[::17] = np.nan
    steps = np.stack([level, 3 * level - 1, swing, np.full(len(row), 7.0)], axis=1).astype(np.float32)
    numbers = np.stack([a, b], axis=1) + 0.2 * rng.standard_normal((ROWS, 2))
    grids = np.exp(b)[:, None, None, None] * rng.standard_normal((ROWS, 1, 5, 6))
    return (
        numbers.astype(np.float32),
        Series.divide(steps, offsets),
        Grids(grids.astype(np.float32)),
    )


def table_of(values, series, grids):
    families = {"all": FEATURES[:2], "s": FEATURES[2:6], "g": FEATURES[6:]}
    return FeatureTable(values, FEATURES, families, others={"s": series, "g": grids})


@pytest.fixture(scope="module")
def table():
    return table_of(*draw(0))


@pytest.fixture(scope="module")
def config(make_config):
    return make_config(model={"categories": 2}, training={"epochs": 6, "batch_size": 64})


@pytest.fixture(scope="module")
def run(train, table, config):
    return train(table, config)


@pytest.fixture(scope="module")
def model(run):
    return run.freeze()


@pytest.fixture(scope="module")
def directory(model, tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    model.save(directory)
    return directory


@pytest.fixture(scope="module")
def session(directory):
    return onnxruntime.InferenceSession(directory / "encoder.onnx", providers=["CPUExecutionProvider"])


def inputs_of(table, rows):
    return (
        {"rows": table.values[rows]}
        | table.others["s"].inputs("s", rows)
        | table.others["g"].inputs("g", rows)
    )


def test_channels_join_the_numbers_of_their_cause(model):
    categories = [feature["category"] for feature in model.grouping["features"]]
    a, b = categories[:2]

    assert a != b
    assert categories[:5] == [a, b, a, a, b]
    assert categories[6] == b
    assert [line["status"] for line in model.report["cleaning"]] == [
        *["kept", "kept", "kept", "duplicate", "kept", "constant", "kept"]
    ]
    assert model.report["cleaning"][3]["duplicate_of"] == "s/level"
    assert model.soft.shape == (7, 2)


def test_a_channel_weighs_as_much_as_a_number(run):
    train = run._data.features[run._data.split.train]
    variance = torch.zeros(5).index_add(0, run._data.owners.owner, train.var(dim=0, correction=0))

    assert torch.allclose(variance, torch.ones(5), atol=0.06)  # missing ones are filled in by medians


def test_the_files_give_the_codes_of_the_core(model, directory, session, table, run):
    own = model.weights.encode(run._data.features).numpy()
    document = json.loads((directory / "model.json").read_bytes())
    encoder = TableEncoder.read(directory, torch.device("cpu"))
    by_torch = _torch(directory, document, torch.device("cpu"))(inputs_of(table, np.arange(ROWS)))

    assert np.array_equal(encoder.encode(table.values, table.others), own)
    assert np.array_equal(by_torch, own)
    assert np.array_equal(session.run(["codes"], inputs_of(table, np.arange(ROWS)))[0], own)
    assert model.report["freeze_check"]["near_ties"] == model.report["freeze_check"]["near_ties_onnx"] == 0
    assert [each.name for each in session.get_inputs()] == ["rows", "s", "s.lengths", "g"]


def test_neither_padding_nor_neighbours_change_a_code(model, session, table, run):
    own = model.weights.encode(run._data.features).numpy()
    rows = np.arange(40)
    inputs = inputs_of(table, rows)
    longer = np.full((40, 99, 4), np.inf, dtype=np.float32)
    longer[:, : inputs["s"].shape[1]] = inputs["s"]
    longer[np.arange(99) >= inputs["s.lengths"][:, None]] = np.nan

    assert np.array_equal(session.run(["codes"], inputs | {"s": longer})[0], own[:40])
    for row in rows[:5]:
        assert np.array_equal(session.run(["codes"], inputs_of(table, rows[row : row + 1]))[0][0], own[row])


def test_the_test_vector_is_in_the_file(session, table):
    notes = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
    families = notes["catvq_test_families"]
    found = []
    for place, values in enumerate(notes["catvq_test_rows"]):
        steps = np.array(families["s"][place], dtype=np.float32).reshape(1, -1, 4)
        inputs = {"s": steps, "s.lengths": np.array([steps.shape[1]])}
        inputs |= {"rows": np.array([values], np.float32), "g": np.array([families["g"][place]], np.float32)}
        found.append(session.run(["codes"], inputs)[0][0].tolist())

    assert len(found) == 8
    assert found == notes["catvq_test_codes"]
    assert notes["catvq_features"] == list(FEATURES)


def test_the_documents_name_kinds_and_descriptors(directory, model):
    series, grid = json.loads((directory / "model.json").read_bytes())["kinds"]

    assert series == {
        "family": "s",
        "kind": "series",
        "channels": ["level", "again", "swing", "flat"],
        "descriptors": list(SERIES),
        "shape": None,
    }
    assert (grid["kind"], grid["descriptors"], grid["shape"]) == ("grid", list(GRID), [5, 6])
    assert model.document()["kinds"] == [series, grid]


def test_decoding_gives_descriptors_back_in_their_units(directory, model, table, session, run):
    decoder = onnxruntime.InferenceSession(directory / "decoder.onnx", providers=["CPUExecutionProvider"])
    names = [each.name for each in decoder.get_outputs()]
    codes = model.weights.encode(run._data.features).numpy()
    decoded = dict(zip(names, decoder.run(None, {"codes": codes}), strict=True))
    sent = table.numbers[:, 2 : 2 + 4 * len(SERIES)].reshape(ROWS, 4, -1)
    is_there = ~np.isnan(sent[:, 0, 0])

    assert names == ["rows", "s", "g"]
    assert decoded["s"].shape == (ROWS, 4, len(SERIES))
    assert decoded["g"].shape == (ROWS, 1, len(GRID))
    assert np.corrcoef(decoded["s"][is_there, 0, 0], sent[is_there, 0, 0])[0, 1] > 0.8
    assert np.allclose(decoded["s"][:, 1, 0], 3 * decoded["s"][:, 0, 0] - 1, atol=0.1)
    assert np.allclose(decoded["s"][:, 3, 0], 7)


def test_the_report_tells_how_well_descriptors_come_back(model):
    told = {line["name"]: line["rebuilt"] for line in model.report["channels"]}

    assert list(told) == ["s/level", "s/swing", "g/0"]
    assert list(told["s/level"]) == list(SERIES)
    assert told["s/level"]["mean"] > 0.5
    assert told["s/swing"]["deviation"] > 0.5
    json.dumps(model.report, allow_nan=False)


@pytest.mark.usefixtures("_short_search")
@pytest.mark.parametrize("estimator", ["softmax", "mirror"])
def test_a_resumed_run_ends_as_an_uninterrupted_one(table, make_config, tmp_path, estimator):
    config = make_config(
        model={"categories": 2},
        assignment={"estimator": estimator},
        training={"epochs": 2, "batch_size": 128},
    )
    whole = TrainingRun.start(table, config)
    part = TrainingRun.start(table, config)
    while not whole.is_finished:
        whole.train_epoch()
    part.train_epoch()
    part.save(tmp_path / "checkpoint")
    part = TrainingRun.resume(table_of(*draw(0)), config, tmp_path / "checkpoint")
    while not part.is_finished:
        part.train_epoch()

    assert part.freeze().digest == whole.freeze().digest


def test_a_run_learns_from_some_channels_alone(table, make_config, train):
    config = make_config(model={"categories": 2}, training={"epochs": 1}).to_dict()
    config["features"]["exclude"] = ["a0", "b0", "s/again", "s/flat", "g/*"]
    model = train(table, type(make_config()).from_dict(config)).freeze()
    session = onnxruntime.InferenceSession(model.encoder, providers=["CPUExecutionProvider"])

    assert model.features == ("s/level", "s/swing")
    assert [each.name for each in session.get_inputs()] == ["s", "s.lengths"]
    assert [each.name for each in onnxruntime.InferenceSession(model.decoder).get_outputs()] == ["s"]


def test_families_of_another_shape_are_not_encoded(directory, table):
    encoder = TableEncoder.read(directory, torch.device("cpu"))
    with pytest.raises(ShapeError, match="family 's' needs"):
        encoder.encode(table.values, {"s": table.others["s"].take(np.arange(3)), "g": table.others["g"]})
    with pytest.raises(ShapeError, match="family 'g' needs"):
        encoder.encode(table.values, {"s": table.others["s"]})


def test_a_model_of_them_is_compared_with_simpler_ones(directory, table, config, monkeypatch):
    monkeypatch.setattr("catvq.comparison.compare.TRAININGS", 2)
    monkeypatch.setattr("catvq.comparison.conditions.MAX_STEPS", 10)
    result = compare(table, config, LearntModel.read(directory, 1.0), should_stop=lambda: False).verdict

    assert [contestant.name for contestant in result.contestants] == ["model", *NAMES, "no_groups"]
    assert all(0 < contestant.test_error < 2 for contestant in result.contestants)


def test_prefixes_of_training_rows_train_too(table, make_config, train, tmp_path):
    config = make_config(
        model={"categories": 2, "series": {"crop": True}}, training={"epochs": 2, "batch_size": 128}
    )
    run = TrainingRun.start(table, config)
    rows = run._data.split.train
    whole = rows[rows < ROWS]
    cut = run.table.prefixes.others["s"]

    assert len(rows) == 3 * len(whole)
    assert (cut.lengths <= table.others["s"].lengths[np.repeat(whole, 2)]).all()
    assert 0.4 < cut.lengths.sum() / (2 * table.others["s"].lengths[whole].sum()) < 0.6
    run.train_epoch()
    run.save(tmp_path / "checkpoint")
    part = TrainingRun.resume(table, config, tmp_path / "checkpoint")
    for each in (run, part):
        each.train_epoch()
    assert run.freeze().digest == part.freeze().digest


def test_a_table_without_series_has_no_prefixes(make_table, make_config):
    with pytest.raises(ConfigError, match="crop needs a family of series"):
        TrainingRun.start(make_table(), make_config(model={"series": {"crop": True}}))
