import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.features.table import FeatureTable
from catvq.frozen.artifact import describe_grouping
from catvq.frozen.weights import FrozenWeights

FILES = {
    "doubt.onnx",
    "encoder.onnx",
    "decoder.onnx",
    "grouping.json",
    "assignment.npy",
    "codebook.json",
    "report.json",
    "model.json",
    "model.safetensors",
}


def strict(path):
    def refuse(constant):
        raise ValueError(constant)

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


@pytest.fixture(scope="module")
def directory(frozen, tmp_path_factory):
    directory = tmp_path_factory.mktemp("models") / "model"
    frozen.save(directory)
    return directory


def test_a_saved_model_is_exactly_its_files_and_none_is_a_pickle(directory):
    assert {path.name for path in directory.iterdir()} == FILES
    assert all(strict(directory / name) for name in FILES if name.endswith(".json"))


def test_the_files_are_those_of_the_model(directory, frozen):
    assert (directory / "encoder.onnx").read_bytes() == frozen.encoder
    assert (directory / "decoder.onnx").read_bytes() == frozen.decoder
    assert strict(directory / "grouping.json") == {"digest": frozen.digest, **frozen.grouping}
    assert strict(directory / "report.json") == frozen.report


def test_the_weights_come_back_bit_for_bit(directory, frozen):
    weights = FrozenWeights(**load_file(directory / "model.safetensors"))

    assert all(torch.equal(value, vars(frozen.weights)[name]) for name, value in vars(weights).items())


def test_the_cleaner_comes_back_exactly(directory, frozen, blemished_table):
    cleaner = FeatureCleaner.from_dict(strict(directory / "model.json")["cleaner"])

    values = blemished_table.values
    assert np.array_equal(cleaner.normalize(values), frozen.cleaner.normalize(values))


def test_the_soft_assignment_covers_every_uploaded_feature(directory, blemished_table):
    soft = np.load(directory / "assignment.npy", allow_pickle=False)

    assert soft.dtype == np.float32
    assert soft.shape == (len(blemished_table.features), 3)
    assert np.allclose(soft.sum(axis=1), 1, atol=1e-6)


def test_the_grouping_covers_every_uploaded_feature_once(frozen, blemished_table):
    listed = [name for category in frozen.grouping["categories"] for name in category["features"]]

    assert sorted(listed) == sorted(blemished_table.features)
    assert [entry["name"] for entry in frozen.grouping["features"]] == list(blemished_table.features)
    for entry in frozen.grouping["features"]:
        assert entry["name"] in frozen.grouping["categories"][entry["category"]]["features"]
        assert entry["name"] in blemished_table.families[entry["family"]]


def test_a_duplicate_is_grouped_with_what_it_repeats(frozen):
    category = {entry["name"]: entry["category"] for entry in frozen.grouping["features"]}

    assert category["f8"] == category["f6"]


def test_the_codebook_lists_only_codes_and_entries_that_exist(directory, frozen):
    categories = strict(directory / "codebook.json")["categories"]

    assert [category["name"] for category in categories] == list(frozen.categories)
    for index, category in enumerate(categories):
        assert [level["level"] for level in category["levels"]] == [0, 1]
        for level in category["levels"]:
            stream = 2 * index + level["level"]
            size, width = frozen.codebook_sizes[stream], frozen.latent_dims[stream]
            expected = frozen.weights.codes[stream, :size, :width]
            assert torch.equal(torch.tensor(level["codes"]), expected)
            used = int((frozen.usage[stream] > 0).sum())
            assert level["usage"] == used / size
            assert 1 <= level["perplexity"] <= used + 1e-4


def test_the_document_has_sizes_by_category_and_level(frozen):
    document = frozen.document()

    assert document["digest"] == frozen.digest
    assert document["codebook_size"] == [list(frozen.codebook_sizes[i : i + 2]) for i in (0, 2, 4)]
    assert document["latent_dim"] == [list(frozen.latent_dims[i : i + 2]) for i in (0, 2, 4)]
    assert document["features"] == [f"f{i}" for i in range(9)]
    assert json.loads(json.dumps(document)) == document


@pytest.mark.parametrize("field", ["encoder", "decoder"])
def test_the_digest_changes_with_every_answer(frozen, field):
    changed = dataclasses.replace(frozen, **{field: getattr(frozen, field) + b"\0"})

    assert frozen.digest.startswith("sha256:")
    assert changed.digest != frozen.digest


def test_the_digest_changes_with_the_grouping(frozen):
    grouping = json.loads(json.dumps(frozen.grouping))
    grouping["categories"][0]["name"] = "other"

    assert dataclasses.replace(frozen, grouping=grouping).digest != frozen.digest


def small_table():
    return FeatureTable(np.zeros((1, 3), np.float32), ("a", "b", "c"), {"x": ("b",), "y": ("a", "c")})


def test_a_grouping_is_described_by_hand():
    soft = np.array([[0.1, 0.6, 0.3], [0.4, 0.2, 0.4], [0.0, 0.0, 1.0]], dtype=np.float32)

    described = describe_grouping(small_table(), ["p", "q", "r"], soft)

    assert described["categories"] == [
        {"index": 0, "name": "p", "features": ["b"]},
        {"index": 1, "name": "q", "features": ["a"]},
        {"index": 2, "name": "r", "features": ["c"]},
    ]
    a, b, c = described["features"]
    assert a == {"name": "a", "family": "y", "category": 1, "confidence": pytest.approx(0.6), "runner_up": 2}
    assert (b["category"], b["runner_up"], b["family"]) == (0, 2, "x")
    assert (c["category"], c["confidence"], c["runner_up"]) == (2, 1.0, None)


def test_one_category_has_no_runner_up():
    described = describe_grouping(small_table(), ["all"], np.ones((3, 1), np.float32))

    assert [entry["runner_up"] for entry in described["features"]] == [None] * 3
    assert described["categories"][0]["features"] == ["a", "b", "c"]


def test_an_empty_category_stays_listed_under_its_number():
    described = describe_grouping(small_table(), ["p", "q"], np.array([[0, 1]] * 3, np.float32))

    assert described["categories"][0] == {"index": 0, "name": "p", "features": []}


def test_the_lower_of_many_equal_categories_wins():
    even = np.full((3, 200), 1 / 200, np.float32)

    described = describe_grouping(small_table(), [str(i) for i in range(200)], even)

    assert {(entry["category"], entry["runner_up"]) for entry in described["features"]} == {(0, 1)}
