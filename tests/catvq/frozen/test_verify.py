import dataclasses

import numpy as np
import pytest
import torch

from catvq.errors import FreezeError
from catvq.frozen.verify import CHUNK_ROWS, OnnxEncoder, check_freeze
from catvq.frozen.weights import FrozenWeights
from catvq.model.routing import HardRouting
from catvq.model.vqvae import CategoricalVQVAE, ModelShape

GROUPING = torch.tensor([0, 1, 0, 1, 1])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    shape = ModelShape(
        num_features=5,
        num_categories=2,
        levels=2,
        codebook_sizes=(4, 3, 2, 4),
        latent_dims=(2, 3, 1, 2),
        embedding_dim=4,
        hidden_dim=6,
        dropout=0.5,
    )
    return CategoricalVQVAE(shape)


@pytest.fixture(scope="module")
def weights(model):
    return FrozenWeights.pack(model, HardRouting.from_grouping(GROUPING, 2))


def check(model, weights, features, onnx_codes=None):
    codes = weights.encode(features) if onnx_codes is None else onnx_codes
    return check_freeze(model, GROUPING, weights, features=features, onnx_codes=codes.numpy())


def with_change(weights, name, change):
    return dataclasses.replace(weights, **{name: change(getattr(weights, name).clone())})


def test_an_honest_freeze_passes_and_says_what_was_compared(model, weights):
    found = check(model, weights, torch.randn(30, 5))

    assert (found.rows, found.codes) == (30, 120)
    assert found.largest_latent_difference < 1e-6
    assert (found.near_ties, found.near_ties_onnx) == (0, 0)


def test_a_check_longer_than_one_chunk_sees_its_last_row(model, weights):
    features = torch.randn(CHUNK_ROWS + 1, 5)
    codes = weights.encode(features)
    assert check(model, weights, features, codes).rows == CHUNK_ROWS + 1

    codes[-1, 0] = (codes[-1, 0] + 1) % 4

    with pytest.raises(FreezeError):
        check(model, weights, features, codes)


@pytest.mark.parametrize(
    "name",
    [
        "feature_weight",
        "embedding_bias",
        "head_weight",
        "linear_weight",
        "latent_bias",
    ],
)
def test_a_tampered_encoder_weight_is_refused(model, weights, name):
    tampered = with_change(weights, name, lambda value: value + 1e-3)

    with pytest.raises(FreezeError):
        check(model, tampered, torch.randn(64, 5))


@pytest.mark.parametrize("name", ["codes", "code_squares"])
def test_a_tampered_codebook_is_refused(model, weights, name):
    tampered = with_change(weights, name, lambda value: value.flip(1))

    with pytest.raises(FreezeError, match="codes differ"):
        check(model, tampered, torch.randn(64, 5))


def test_a_category_that_reads_another_categorys_feature_is_refused(model, weights):
    tampered = with_change(weights, "index", lambda index: index.flip(0))

    with pytest.raises(FreezeError):
        check(model, tampered, torch.randn(64, 5))


def test_one_wrong_onnx_code_among_all_is_refused(model, weights):
    features = torch.randn(64, 5)
    codes = weights.encode(features)
    codes[17, 3] = (codes[17, 3] + 1) % 4

    with pytest.raises(FreezeError, match="1 codes differ"):
        check(model, weights, features, codes)


def test_a_code_of_padding_is_refused(model, weights):
    features = torch.randn(8, 5)
    codes = weights.encode(features)
    codes[0, 2] = 3  # the third stream has two codes

    with pytest.raises(FreezeError):
        check(model, weights, features, codes)


def test_a_twin_code_counts_as_a_near_tie_and_not_as_a_failure(model, weights):
    twin = CategoricalVQVAE(model.shape)
    twin.load_state_dict(model.state_dict())
    twin.codebooks.codes[0, :, :2] = torch.tensor([[90.0, 90.0], [90.0, 90.0], [1.0, 1.0], [1.0, 1.0]])
    twin.codebooks.codes[1] = 0.0
    packed = FrozenWeights.pack(twin, HardRouting.from_grouping(GROUPING, 2))
    features = torch.randn(64, 5)
    codes = packed.encode(features)
    assert codes[:, 0].unique().tolist() in ([2], [3])
    codes[:10, 0] = 5 - codes[:10, 0]

    found = check(twin, packed, features, codes)

    assert (found.near_ties, found.near_ties_onnx) == (0, 10)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_model_whose_latents_are_not_finite_is_refused(model, bad):
    diverged = CategoricalVQVAE(model.shape)
    diverged.load_state_dict(model.state_dict())
    with torch.no_grad():
        diverged.encoder.bias[1, 0] = bad
    packed = FrozenWeights.pack(diverged, HardRouting.from_grouping(GROUPING, 2))

    with pytest.raises(FreezeError, match="finite"):
        check(diverged, packed, torch.randn(4, 5))


def test_the_model_is_checked_without_its_dropout(model, weights):
    model.train()

    check(model, weights, torch.randn(30, 5))

    assert not model.training


def test_the_onnx_encoder_gives_the_same_codes_however_rows_are_batched(frozen, blemished_table):
    encoder = OnnxEncoder(frozen.encoder, frozen.doubt)
    values = blemished_table.values

    together = encoder.encode(values).codes
    one_by_one = np.concatenate([encoder.encode(values[i : i + 1]).codes for i in range(len(values))])
    long = encoder.encode(np.tile(values, (CHUNK_ROWS // len(values) + 1, 1))).codes

    assert np.array_equal(together, one_by_one)
    assert np.array_equal(long[: len(values)], together)
    assert np.array_equal(long[-len(values) :], together)


def test_weights_of_another_grouping_are_refused(model, weights):
    features, other = torch.randn(64, 5), torch.tensor([1, 1, 0, 1, 1])

    with pytest.raises(FreezeError):
        check_freeze(model, other, weights, features=features, onnx_codes=weights.encode(features).numpy())
