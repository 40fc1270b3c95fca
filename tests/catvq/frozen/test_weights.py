import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from catvq.frozen.weights import FrozenWeights
from catvq.model.routing import HardRouting, SoftRouting
from catvq.model.vqvae import CategoricalVQVAE, ModelShape

groupings = st.tuples(st.integers(1, 4), st.integers(1, 3)).flatmap(
    lambda sizes: st.tuples(
        st.lists(st.integers(0, sizes[0] - 1), min_size=1, max_size=7), st.just(sizes[0]), st.just(sizes[1])
    )
)


def build(features, categories, levels):
    streams = categories * levels
    return CategoricalVQVAE(
        ModelShape(
            num_features=features,
            num_categories=categories,
            levels=levels,
            codebook_sizes=tuple(2 + stream % 3 for stream in range(streams)),
            latent_dims=tuple(1 + stream % 2 for stream in range(streams)),
            embedding_dim=5,
            hidden_dim=6,
            dropout=0.5,
        )
    ).eval()


# Derandomised: two codes may be equally near up to rounding, once in ten million rows.
@settings(deadline=None, max_examples=40, derandomize=True)
@given(groupings)
def test_the_frozen_model_gives_the_unfrozen_models_latents_codes_and_features(case):
    members, categories, levels = case
    grouping = torch.tensor(members)
    model, features = build(len(members), categories, levels), torch.randn(20, len(members))
    hard = HardRouting.from_grouping(grouping, categories)

    weights = FrozenWeights.pack(model, hard)

    codes = weights.encode(features)
    for routing in (hard, SoftRouting(F.one_hot(grouping, categories).float())):
        torch.testing.assert_close(
            weights.latents(features), model.latents(features, routing), rtol=1e-5, atol=1e-6
        )
        assert torch.equal(codes, model.encode(features, routing))
    torch.testing.assert_close(weights.decode(codes), model.decode(codes), rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def packed():
    torch.manual_seed(0)
    model = build(6, 3, 2)
    return model, FrozenWeights.pack(model, HardRouting.from_grouping(torch.tensor([0, 0, 0, 2, 0, 2]), 3))


def test_a_category_keeps_weights_for_its_own_features_only(packed):
    _, weights = packed

    assert weights.feature_weight.shape == (3, 4, 5)  # four slots for the widest of three categories
    assert weights.index[0].tolist() == [0, 1, 2, 4]
    assert (weights.feature_weight[1] == 0).all()
    assert (weights.feature_weight[2, 2:] == 0).all()
    assert (weights.feature_weight[2, :2] != 0).all()


def test_a_codes_distance_counts_from_its_own_square_and_padding_is_infinitely_far(packed):
    model, weights = packed
    sizes = torch.tensor(model.shape.codebook_sizes)

    is_padding = torch.arange(weights.codes.shape[1]) >= sizes.unsqueeze(1)
    assert torch.equal(weights.code_squares.isinf(), is_padding)
    assert torch.equal(weights.code_squares[~is_padding], weights.codes.square().sum(dim=2)[~is_padding])


def test_padded_latent_entries_are_zero_and_unread(packed):
    model, weights = packed
    latents = weights.latents(torch.randn(9, 6))

    mask = model.encoder.latent_mask
    widest = torch.tensor(model.shape.latent_dims).view(3, -1).amax(dim=1)
    assert mask.sum(dim=1).tolist() == widest.tolist()
    assert (latents.transpose(1, 2)[mask == 0] == 0).all()
    assert len(weights.valid) == widest.sum()


def test_the_frozen_model_does_not_follow_the_model_it_was_packed_from():
    model = build(3, 1, 1)
    weights = FrozenWeights.pack(model, HardRouting.from_grouping(torch.zeros(3, dtype=torch.int64), 1))
    features = torch.randn(5, 3)
    before = weights.latents(features)

    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.zero_()

    assert torch.equal(weights.latents(features), before)


def test_packing_the_same_model_twice_gives_the_same_bits(packed):
    model, weights = packed
    again = FrozenWeights.pack(model, HardRouting.from_grouping(torch.tensor([0, 0, 0, 2, 0, 2]), 3))

    assert all(torch.equal(value, vars(again)[name]) for name, value in vars(weights).items())
    assert not any(value.requires_grad for value in vars(weights).values())
