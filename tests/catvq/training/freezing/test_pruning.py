import dataclasses
import json

import numpy as np
import onnx
import pytest
import torch

from catvq.frozen.verify import OnnxEncoder
from catvq.model.routing import HardRouting
from catvq.model.vqvae import CategoricalVQVAE, ModelShape
from catvq.training.freezing.pruning import select_categories
from catvq.training.run import TrainingRun

GROUPS = {"a": ("f0", "f1", "f2", "f3"), "b": (), "c": ("f6", "f7", "f8"), "d": (), "e": ("f4", "f5")}
KEPT = [0, 1, 4, 5, 8, 9]  # streams of a, c and e, two levels each


@pytest.fixture(scope="module")
def freeze_both(make_config, make_table):
    """Trains with empty categories, and freezes with and without them."""

    def freeze(table=None, groups=GROUPS):
        config = make_config(
            model={"categories": len(groups), "codebook_size": 8},
            assignment={"mode": "static", "init": "user", "groups": groups},
        )
        run = TrainingRun.start(table or make_table(), config)
        while not run.is_finished:
            run.train_epoch()
        whole = run.freeze()
        run.config = dataclasses.replace(
            config, assignment=dataclasses.replace(config.assignment, prune_empty=True)
        )
        return whole, run.freeze()

    return freeze


@pytest.fixture(scope="module")
def both(freeze_both):
    return freeze_both()


def test_codes_and_decodings_are_those_of_the_whole_model(both, make_table):
    whole, pruned = both
    rows = make_table().values
    of_whole = OnnxEncoder(whole.encoder, whole.doubt).encode(rows)
    of_pruned = OnnxEncoder(pruned.encoder, pruned.doubt).encode(rows)

    assert np.array_equal(of_pruned.codes, of_whole.codes[:, KEPT])
    assert len(np.unique(of_pruned.codes)) > 1
    decoded = [
        model.weights.decode(torch.from_numpy(found.codes))
        for model, found in ((whole, of_whole), (pruned, of_pruned))
    ]
    assert torch.allclose(*decoded, atol=1e-5, rtol=0)
    for part, error in whole.report["reconstruction_error"].items():
        assert pruned.report["reconstruction_error"][part] == pytest.approx(error, rel=1e-5)


def test_nothing_of_an_empty_category_is_left(both, tmp_path):
    whole, pruned = both
    pruned.save(tmp_path)

    assert pruned.categories == ("a", "c", "e")
    assert len(pruned.codebook_sizes) == len(pruned.latent_dims) == len(pruned.usage) == len(KEPT)
    assert pruned.usage.tolist() == whole.usage[KEPT].tolist()
    assert [(c["name"], tuple(c["features"])) for c in pruned.grouping["categories"]] == [
        ("a", GROUPS["a"]),
        ("c", GROUPS["c"]),
        ("e", GROUPS["e"]),
    ]
    notes = {p.key: json.loads(p.value) for p in onnx.load_from_string(pruned.encoder).metadata_props}
    assert notes["catvq_codes"] == ["a.0", "a.1", "c.0", "c.1", "e.0", "e.1"]
    assert pruned.soft.shape == (9, 3)
    assert (pruned.report["pruned"], whole.report["pruned"]) == (["b", "d"], [])
    assert pruned.report["warnings"] == []
    assert pruned.report["codebook"]["bits_per_row"] == 18.0


def test_streams_are_narrower_once_the_widest_is_gone():
    shape = ModelShape(
        num_features=6,
        num_categories=3,
        levels=1,
        codebook_sizes=(4, 16, 5),
        latent_dims=(2, 8, 3),
        embedding_dim=4,
        hidden_dim=5,
        dropout=0.5,
    )
    model, features = CategoricalVQVAE(shape).eval(), torch.randn(50, 6)
    grouping = torch.tensor([0, 0, 2, 2, 2, 0])
    codes = model.encode(features, HardRouting.from_grouping(grouping, 3))

    selected = select_categories(model, grouping, torch.tensor([0, 2]))

    assert selected.codebooks.codes.shape == (2, 5, 3)
    found = selected.encode(features, HardRouting.from_grouping(grouping.clamp_max(1), 2))
    assert torch.equal(found, codes[:, [0, 2]])
    assert torch.allclose(selected.decode(found), model.decode(codes), atol=1e-5, rtol=0)


def test_the_only_category_of_a_constant_feature_stays(freeze_both, make_table):
    def edit(values):
        values[:, 8] = 7.0

    groups = {"constant": ("f8",), "none": (), "rest": tuple(f"f{i}" for i in range(8))}

    _, pruned = freeze_both(make_table(edit=edit), groups)

    assert pruned.categories == ("constant", "rest")
    assert pruned.report["pruned"] == ["none"]
    assert pruned.grouping["features"][8]["category"] == 0


def test_a_model_without_empty_categories_is_frozen_as_it_is(freeze_both):
    whole, pruned = freeze_both(groups={name: members for name, members in GROUPS.items() if members})

    assert pruned.digest == whole.digest
