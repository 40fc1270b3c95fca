"""Tables with categorical features: they are grouped, coded and decoded beside numbers of the same cause."""

import json

import numpy as np
import onnxruntime
import pytest
import torch

from catvq.comparison.compare import compare
from catvq.comparison.learnt_model import LearntModel
from catvq.comparison.verdict import NAMES
from catvq.errors import CheckpointError
from catvq.features.table import FeatureTable
from catvq.frozen.table_encoder import TableEncoder, _torch
from catvq.training.run import TrainingRun

ROWS = 500
FEATURES = ("a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3", "copy", "constant")
VALUES_OF = {
    "a2": ("north", "east", "south", "west"),
    "a3": ("p", "q", "r"),
    "b1": ("u", "v", "w", "x", "never"),
    "b2": ("no", "yes"),
    "b3": ("i", "j", "k"),
    "copy": ("z", "y", "x", "w"),
    "constant": ("same", "other"),
}
PLANTED = [0, 0, 0, 0, 1, 1, 1, 1, 0]
CATEGORICAL = np.array([name in VALUES_OF for name in FEATURES])


def draw(seed, dtype=np.float32):
    """Two causes, each seen by one or two numbers and by cuts of it in some values, without an order."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, ROWS))

    def seen(cause):
        return cause + 0.4 * rng.standard_normal(ROWS)

    def cut(cause, *edges, order):
        return np.array(order)[np.digitize(seen(cause), edges)].astype(float)

    first = cut(a, -0.8, 0, 0.8, order=[2, 0, 3, 1])
    first[::9] = np.nan
    columns = [
        seen(a),
        seen(a),
        first,
        cut(a, -0.5, 0.5, order=[1, 2, 0]),
        seen(b),
        cut(b, -1, 0, 1, order=[3, 1, 0, 2]),
        cut(b, 0.3, order=[0, 1]),
        cut(b, -0.5, 0.5, order=[2, 0, 1]),
        np.where(np.isnan(first), np.nan, np.array([1, 3, 0, 2])[np.nan_to_num(first).astype(int)]),
        np.zeros(ROWS),
    ]
    return np.stack(columns, axis=1).astype(dtype)


def table_of(values):
    families = {"all": FEATURES}
    return FeatureTable(values, FEATURES, families, VALUES_OF)


@pytest.fixture(scope="module")
def table():
    return table_of(draw(0))


@pytest.fixture(scope="module")
def config(make_config):
    return make_config(model={"categories": 2}, training={"epochs": 10, "batch_size": 64})


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


def run_graph(directory, name, **inputs):
    session = onnxruntime.InferenceSession(directory / name, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def is_planted(grouping):
    return grouping in (PLANTED, [1 - category for category in PLANTED])


def test_features_join_those_of_their_cause_each_with_all_of_its_values(model):
    assert is_planted([feature["category"] for feature in model.grouping["features"]][:9])
    assert model.soft.shape == (10, 2)
    statuses = [line["status"] for line in model.report["cleaning"]]
    assert statuses == ["kept"] * 8 + ["duplicate", "constant"]


@pytest.mark.parametrize("init", ["clustering", "random"])
def test_the_start_by_clustering_and_the_search_see_them_too(table, make_config, init, train):
    assignment = {"init": init} if init == "clustering" else {"init": init, "estimator": "mirror"}
    config = make_config(model={"categories": 2}, assignment=assignment, training={"batch_size": 64})
    run = TrainingRun.start(table, config) if init == "clustering" else train(table, config)

    assert is_planted([*run.soft_assignment().argmax(axis=1).tolist()][:9])


def test_the_number_of_categories_is_found(table, make_config):
    run = TrainingRun.start(table, make_config(model={"categories": "auto"}))

    assert is_planted(run.soft_assignment().argmax(axis=1).tolist()[:9])


def test_the_graph_gives_the_codes_of_the_core(model, directory, table):
    rows = np.concatenate([table.values, draw(1)])
    rows[-3:, 2], rows[-3:, 6] = [9, -1, 0.5], [np.inf, np.nan, 2]
    document = json.loads((directory / "model.json").read_bytes())
    own = model.weights.encode(torch.from_numpy(model.cleaner.normalize(rows))).numpy()
    found = run_graph(directory, "encoder.onnx", rows=rows)

    assert np.array_equal(found["codes"], own)
    assert np.array_equal(found["normalized"][:, model.cleaner.active_columns], model.cleaner.normalize(rows))
    assert np.array_equal(TableEncoder.read(directory, torch.device("cpu")).encode(rows), own)
    assert np.array_equal(_torch(directory, document, torch.device("cpu"))({"rows": rows}), own)
    assert model.report["freeze_check"]["near_ties"] == 0


def test_an_unknown_value_is_encoded_as_a_missing_one(directory, table):
    rows = np.repeat(table.values[1:2], 4, axis=0)
    rows[:, 2] = [np.nan, 4, -1, 1.5]
    codes = run_graph(directory, "encoder.onnx", rows=rows)

    assert (codes["codes"] == codes["codes"][0]).all()
    assert np.isnan(codes["total"])  # what a service looks for missing values by


def test_decoding_gives_values_back(model, directory, table):
    codes = run_graph(directory, "encoder.onnx", rows=table.values)["codes"]
    rows = run_graph(directory, "decoder.onnx", codes=codes)["rows"]
    own = model.cleaner.restore(model.weights.decode(torch.from_numpy(codes)).numpy())
    is_there = ~np.isnan(table.values)

    assert np.array_equal(rows[:, CATEGORICAL], own[:, CATEGORICAL])
    np.testing.assert_allclose(rows, own, atol=1e-5)
    for feature in np.flatnonzero(CATEGORICAL):
        decoded, sent = (values[is_there[:, feature], feature] for values in (rows, table.values))
        assert (decoded == sent).mean() > 0.7
        assert set(decoded.tolist()) <= set(sent.tolist())  # a value that was never seen never comes


def test_the_error_is_a_mean_over_features(model, directory, table, run):
    inputs = run_graph(directory, "encoder.onnx", rows=table.values)
    inputs.pop("total")
    found = run_graph(directory, "doubt.onnx", **inputs)["reconstruction_error"]
    features = model.cleaner.normalize(table.values)
    decoded = model.weights.decode(torch.from_numpy(inputs["codes"])).numpy()
    squares = np.square(features - decoded)
    present = ~np.isnan(model.cleaner.observed(table.values))
    first = np.unique(model.cleaner.feature_of_column, return_index=True)[1]
    by_hand = (squares * present).sum(axis=1) / present[:, first].sum(axis=1)
    train = run._data.split.train
    cells = present[train][:, first].sum()  # of features

    np.testing.assert_allclose(found, by_hand, rtol=1e-4)
    assert model.report["reconstruction_error"]["train"] == pytest.approx(
        (squares * present)[train].sum() / cells, rel=1e-4
    )
    assert (np.square(features) * present)[train].sum() / cells == pytest.approx(1, rel=1e-3)


def test_the_report_tells_how_often_values_come_back(model, table, run):
    told = {line["name"]: line for line in model.report["categorical"]}
    split = run._data.split
    sent = table.values[split.test, 3]
    commonest = np.bincount(table.values[split.train, 3].astype(int)).argmax()

    assert list(told) == list(VALUES_OF)
    assert told["a3"]["commonest"] == pytest.approx((sent == commonest).mean())
    assert all(told[name]["accuracy"] > told[name]["commonest"] for name in ("a2", "a3", "b1", "b2", "b3"))
    assert told["constant"] == {"name": "constant", "accuracy": 1.0, "commonest": 1.0}
    json.dumps(model.report, allow_nan=False)


def test_without_test_rows_no_accuracy_is_told(train, table, make_config):
    config = make_config(model={"categories": 2}, training={"test_fraction": 0.0, "epochs": 1})

    assert train(table, config).freeze().report["categorical"][0] == {
        "name": "a2",
        "accuracy": None,
        "commonest": None,
    }


def test_files_name_the_values(directory, model):
    document = json.loads((directory / "model.json").read_bytes())
    encoder = TableEncoder.read(directory, torch.device("cpu"))

    assert document["values"][:3] == [None, None, list(VALUES_OF["a2"])]
    assert encoder.values == model.values
    assert encoder.values[6] == ("no", "yes")


def test_swaps_are_told_in_units_of_a_feature(model):
    assert all(-1 < each["swap_cost"] < 3 for each in model.report["doubtful"] if each["swap_cost"])


@pytest.mark.parametrize("estimator", ["mirror", "gumbel"])
@pytest.mark.usefixtures("_short_search")
def test_a_resumed_run_ends_as_an_uninterrupted_one(table, make_config, tmp_path, estimator):
    config = make_config(assignment={"estimator": estimator}, training={"batch_size": 128})
    whole = TrainingRun.start(table, config)
    part = TrainingRun.start(table, config)
    while not whole.is_finished:
        whole.train_epoch()
    part.train_epoch()
    part.save(tmp_path / "checkpoint")
    part = TrainingRun.resume(table, config, tmp_path / "checkpoint")
    while not part.is_finished:
        part.train_epoch()

    assert part.freeze().digest == whole.freeze().digest
    other = FeatureTable(table.values, FEATURES, table.families, VALUES_OF | {"b2": ("yes", "no")})
    with pytest.raises(CheckpointError, match="another configuration or table"):
        TrainingRun.resume(other, config, tmp_path / "checkpoint")


def test_families_are_kept_apart(table, make_config, train):
    families = {"one": ("a0", "a2", "b0", "b1", "constant"), "other": ("a1", "a3", "b2", "b3", "copy")}
    apart = FeatureTable(table.values, FEATURES, families, VALUES_OF)
    config = make_config(model={"categories": 4}, assignment={"per_family": True})
    model = train(apart, config).freeze()

    for category in model.grouping["categories"]:
        assert not any(set(category["features"]) & set(names) for names in families.values()) or (
            sum(bool(set(category["features"]) & set(names)) for names in families.values()) == 1
        )


def test_surplus_and_empty_categories_go(table, make_config, train):
    assignment = {"surplus_categories": 2, "prune_empty": True}
    model = train(table, make_config(model={"categories": 2}, assignment=assignment)).freeze()

    assert len(model.report["joined"]) == 2
    assert len(model.categories) <= 2


def test_float64_tables_take_them_as_well(train, config):
    values = draw(0, np.float64)
    values[:, 0] = 2460310.5 + np.round(20 * values[:, 0]) / 4
    model = train(table_of(values), config).freeze()

    assert model.document()["rows_dtype"] == "float64"
    assert is_planted([feature["category"] for feature in model.grouping["features"]][:9])


def test_a_table_without_numbers_is_learnt_from(train, table, config):
    chosen = np.flatnonzero(CATEGORICAL)[:5]
    names = tuple(FEATURES[index] for index in chosen)
    words = FeatureTable(
        table.values[:, chosen], names, {"all": names}, {name: VALUES_OF[name] for name in names}
    )
    categories = [feature["category"] for feature in train(words, config).freeze().grouping["features"]]

    assert categories in ([0, 0, 1, 1, 1], [1, 1, 0, 0, 0])


def test_a_model_of_them_is_compared_with_simpler_ones(directory, table, config, monkeypatch):
    monkeypatch.setattr("catvq.comparison.compare.TRAININGS", 2)
    monkeypatch.setattr("catvq.comparison.conditions.MAX_STEPS", 20)
    result = compare(table, config, LearntModel.read(directory, 1.0), should_stop=lambda: False).verdict

    assert [contestant.name for contestant in result.contestants] == ["model", *NAMES, "no_groups"]
    assert all(0 < contestant.test_error < 1 for contestant in result.contestants)
