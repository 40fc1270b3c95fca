import hashlib
import json

import numpy as np
import onnx
import pytest
import torch

from catvq.features.table import FeatureTable
from catvq.frozen.verify import OnnxEncoder
from catvq.model.losses import topographic_similarity


def metadata(frozen):
    return {p.key: json.loads(p.value) for p in onnx.load_from_string(frozen.encoder).metadata_props}


@pytest.fixture(scope="module")
def codes(frozen, blemished_table):
    return OnnxEncoder(frozen.encoder, frozen.doubt).encode(blemished_table.values).codes


def test_the_frozen_models_codes_are_the_trained_models_under_its_hard_route(blemished_run, frozen, codes):
    learner = blemished_run._training._learner
    learner.model.eval()

    expected = learner.model.encode(blemished_run._data.features, learner.hard_routing)
    assert np.array_equal(expected.numpy(), codes)
    assert np.array_equal(frozen.weights.encode(blemished_run._data.features).numpy(), codes)


def test_the_report_vouches_for_the_codes(frozen, codes):
    report = frozen.report

    assert report["codes"] == {"rows": 60, "sha256": hashlib.sha256(codes.tobytes()).hexdigest()}
    check = report["freeze_check"]
    assert (check["rows"], check["codes"]) == (60, codes.size)
    assert check["largest_latent_difference"] <= 1e-5
    assert check["near_ties"] == check["near_ties_onnx"] == 0


def test_the_file_holds_rows_to_test_it_with(frozen, blemished_table, blemished_run):
    notes = metadata(frozen)

    rows = np.array(notes["catvq_test_rows"], dtype=np.float64).astype(np.float32)
    train = blemished_run._data.split.train
    weights, features = frozen.weights, blemished_run._data.features[torch.from_numpy(train)]
    clearness = weights.search(weights.latents(features))[1].amin(dim=0).numpy()
    clearest = np.sort(np.argsort(clearness)[-8:])
    assert np.array_equal(rows, blemished_table.values[train[clearest]], equal_nan=True)
    assert OnnxEncoder(frozen.encoder, frozen.doubt).encode(rows).codes.tolist() == notes["catvq_test_codes"]
    assert notes["catvq_features"] == list(blemished_table.features)
    assert notes["catvq_codes"] == [f"category_{g}.{level}" for g in range(3) for level in range(2)]


def test_the_doubt_knows_how_far_the_training_rows_were_from_their_codes(
    frozen, blemished_table, blemished_run
):
    notes = {p.key: json.loads(p.value) for p in onnx.load_from_string(frozen.doubt).metadata_props}

    rows = blemished_table.values[blemished_run._data.split.train]
    distance = OnnxEncoder(frozen.encoder, frozen.doubt).encode(rows).distance
    percentiles = notes["catvq_distance_percentiles"]
    assert len(percentiles) == 101
    assert percentiles[0] == pytest.approx(distance.min())
    assert percentiles[50] == pytest.approx(np.median(distance))
    assert percentiles[100] == pytest.approx(distance.max())


def test_reconstruction_errors_are_those_of_decoded_codes_per_part_of_the_rows(frozen, codes, blemished_run):
    features = blemished_run._data.features
    squares = (frozen.weights.decode(torch.from_numpy(codes)) - features).square()
    present = blemished_run._data.present

    for name, error in frozen.report["reconstruction_error"].items():
        rows = torch.from_numpy(getattr(blemished_run._data.split, name))
        assert error == pytest.approx(squares[rows][present[rows]].mean().item(), rel=1e-5)
    assert frozen.report["rows"] == {"train": 48, "validation": 6, "test": 6}


def test_usage_is_counted_on_training_rows(frozen, codes, blemished_run):
    train = codes[blemished_run._data.split.train]

    for stream in range(6):
        counts = np.bincount(train[:, stream], minlength=frozen.usage.shape[1])
        assert frozen.usage[stream].tolist() == counts.tolist()
    book = frozen.report["codebook"]
    assert book["bits_per_row"] == pytest.approx(np.log2(frozen.codebook_sizes).sum(), rel=1e-6)
    assert 0 < book["used_bits_per_row"] <= book["bits_per_row"]
    assert 1 <= book["perplexity"] <= max(frozen.codebook_sizes)


def test_the_report_says_how_well_codes_tell_rows_apart(frozen, codes, blemished_run):
    train = [tuple(row) for row in codes[blemished_run._data.split.train].tolist()]
    counts = np.array([train.count(row) for row in train])

    assert frozen.report["tokens"] == {
        "distinct": pytest.approx(len(set(train)) / len(train)),
        "commonest": pytest.approx(counts.max() / len(train)),
        "shared": pytest.approx((counts > 1).mean()),
    }


def test_topography_is_measured_on_test_rows(frozen, codes, blemished_run):
    rows = torch.from_numpy(blemished_run._data.split.test)
    features = blemished_run._data.features[rows]
    quantized = frozen.weights.quantized(torch.from_numpy(codes)[rows]).flatten(1)

    found = frozen.report["topographic_similarity"]

    assert found["quantized"] == pytest.approx(topographic_similarity(features, quantized).item(), rel=1e-5)
    assert -1 <= found["latents"] <= 1 + 1e-6


def test_the_report_names_what_cleaning_did_to_each_feature(frozen):
    statuses = {entry["name"]: entry["status"] for entry in frozen.report["cleaning"]}

    assert statuses == {
        **{f"f{i}": "kept" for i in (0, 1, 2, 3, 6, 7)},
        "f4": "constant",
        "f5": "constant",
        "f8": "duplicate",
    }


def test_an_empty_category_is_warned_of_by_name(train, make_config):
    groups = {"x": tuple(f"f{i}" for i in range(9))}
    settings = {"mode": "static", "init": "user", "groups": groups}

    frozen = train(config=make_config(model={"categories": 2}, assignment=settings)).freeze()

    assert frozen.report["warnings"] == ["category 'category_1' is empty: its codes are constant"]
    assert (frozen.usage[2:] > 0).sum(dim=1).tolist() == [1, 1]


@pytest.mark.usefixtures("_short_search")
def test_a_search_is_reported_and_a_schedule_is_not(frozen, train, make_config):
    report = train(config=make_config(assignment={"estimator": "mirror"})).freeze().report
    search, start = report["search"], report["start"]

    assert frozen.report["search"] is None
    errors = search["held_out_errors"]
    assert search["winner"] == errors.index(min(errors))
    assert start["chosen"] == "searched"


def test_the_trained_model_is_left_as_it_was(blemished_run):
    before = {name: value.clone() for name, value in blemished_run._training.model.state_dict().items()}

    blemished_run.freeze()

    assert all(torch.equal(v, before[n]) for n, v in blemished_run._training.model.state_dict().items())


def columns(values):
    names = tuple(f"f{i}" for i in range(values.shape[1]))
    return FeatureTable(values.astype(np.float32), names, {"all": names})


def twins(values):
    values[:, 1:] = values[:, :1]


EDGES = {
    "one category": {"model": {"categories": 1}},
    "one category, one level": {"model": {"categories": 1, "levels": 1}},
    "one category, searched for": {"model": {"categories": 1}, "assignment": {"estimator": "mirror"}},
    "one level": {"model": {"levels": 1}},
    "more categories than features": {"model": {"categories": 20}},
    "more codes than rows": {"model": {"codebook_size": 100}},
    "one code, one latent": {"model": {"codebook_size": 1, "latent_dim": 1}},
    "one unit everywhere": {"model": {"embedding_dim": 1, "hidden_dim": 1, "latent_dim": 1}},
    "gradient codebook": {"model": {"codebook_update": "gradient"}},
    "no decay": {"model": {"decay": 0.0}},
    "batches of two": {"training": {"batch_size": 2}},
    "one batch of all": {"training": {"batch_size": 10_000}},
    "one epoch": {"training": {"epochs": 1}},
    "one epoch, searched": {"training": {"epochs": 1}, "assignment": {"estimator": "mirror"}},
    "nothing held out": {"training": {"validation_fraction": 0.0, "test_fraction": 0.0}},
    "almost frozen": {"assignment": {"temperature_start": 1e-9, "temperature_end": 1e-9}},
    "very warm": {"assignment": {"temperature_start": 1e6, "temperature_end": 1e6}},
    "never cleaned": {"cleaning": {"enabled": False}},
}


@pytest.mark.usefixtures("_short_search")
@pytest.mark.parametrize("name", EDGES)
def test_a_run_at_the_edge_trains_freezes_and_covers_every_feature(
    train, make_table, make_config, tmp_path, name
):
    table = make_table(rows=40)

    frozen = train(table, make_config(**EDGES[name])).freeze()

    frozen.save(tmp_path)
    assert sorted(n for c in frozen.grouping["categories"] for n in c["features"]) == sorted(table.features)
    assert np.allclose(frozen.soft.sum(axis=1), 1, atol=1e-6)
    assert all(np.isfinite(error) for error in frozen.report["reconstruction_error"].values() if error)


TABLES = {
    "ten rows": lambda make: make(rows=10),
    "one feature": lambda make: make(blocks=1, width=1),
    "one feature and its copies": lambda make: make(blocks=1, edit=twins),
    "two values": lambda make: columns((make().values > 0) * 1.0),
    "a million times larger": lambda make: columns(make().values * 1e6 + 1e9),
    "mostly missing": lambda make: columns(np.where(make().values > -1, np.nan, make().values)),
}


@pytest.mark.usefixtures("_short_search")
@pytest.mark.parametrize("estimator", ["mirror", "gumbel"])
@pytest.mark.parametrize("name", TABLES)
def test_an_unusual_table_trains_freezes_and_covers_every_feature(
    train, make_table, make_config, tmp_path, name, estimator
):
    table = TABLES[name](make_table)
    config = make_config(model={"categories": 2}, assignment={"estimator": estimator})

    frozen = train(table, config).freeze()

    frozen.save(tmp_path)
    assert sorted(n for c in frozen.grouping["categories"] for n in c["features"]) == sorted(table.features)
    assert np.allclose(frozen.soft.sum(axis=1), 1, atol=1e-6)


def test_yes_or_no_features_have_the_same_codes_alone_and_among_others(train, make_config):
    """Their latents take few values, onto which many codes fall: none may be left to rounding."""
    values = (np.random.default_rng(0).random((200, 6)) < 0.4).astype(np.float32)
    config = make_config(
        model={"categories": 6, "codebook_size": 64},
        training={"epochs": 15, "learning_rate": 0.01},
        assignment={"mode": "static"},
    )

    frozen = train(columns(values), config).freeze()

    for codes, squares in zip(frozen.weights.codes, frozen.weights.code_squares.squeeze(1), strict=True):
        choosable = codes[squares.isfinite()]
        apart = torch.cdist(choosable, choosable) + torch.eye(len(choosable)) * 1e9
        assert (apart.amin(dim=1) > 1e-3 * choosable.norm(dim=1)).all()
        assert len(choosable) < 64
    encoder = OnnxEncoder(frozen.encoder, frozen.doubt)
    together = encoder.encode(values).codes
    for size in (1, 3, 33):
        parts = [encoder.encode(values[i : i + size]).codes for i in range(0, 200, size)]
        assert np.array_equal(np.concatenate(parts), together)
    check = frozen.report["freeze_check"]
    assert check["near_ties"] == check["near_ties_onnx"] == 0
