import numpy as np
import pytest
import torch

from catvq.audition import MARGIN, _own_errors, audition
from catvq.errors import Interrupted
from catvq.model import CategoricalVQVAE, ModelShape
from catvq.routing import HardRouting

BLOCKS = np.array([0, 0, 0, 1, 1, 1])
MIXED = np.array([0, 1, 0, 1, 0, 1])


def rows(count):
    """Two blocks of three features; within one they are nearly equal."""
    return torch.randn(count, 2).repeat_interleave(3, dim=1) + 0.05 * torch.randn(count, 6)


@pytest.fixture
def listen(make_config):
    config = make_config(model={"categories": 2, "codebook_size": 8, "latent_dim": 1, "levels": 1})

    def hear(*groupings, should_stop=lambda: False):
        torch.manual_seed(0)
        return audition(
            groupings,
            num_categories=2,
            config=config,
            train=rows(200),
            held_out=rows(100),
            should_stop=should_stop,
        )

    return hear


def test_the_grouping_whose_codes_tell_most_of_its_features_wins(listen, monkeypatch):
    monkeypatch.setattr("catvq.audition.AUDITION_STEPS", 150)

    for groupings, winner in (((MIXED, BLOCKS), 1), ((BLOCKS, MIXED), 0)):
        result = listen(*groupings)
        assert result.winner == winner
        assert result.errors[winner] < 0.9 * result.errors[1 - winner]


def test_a_start_yields_only_to_a_clearly_better_challenger(listen, monkeypatch):
    monkeypatch.setattr("catvq.audition.AUDITION_STEPS", 1)

    for start, challenger, winner in ((0.5, 0.5 * (1 - MARGIN / 2), 0), (0.5, 0.5 * (1 - 2 * MARGIN), 1)):
        monkeypatch.setattr("catvq.audition._own_errors", lambda *_, e=(start, challenger): list(e))
        assert listen(MIXED, BLOCKS).winner == winner


def test_silent_categories_have_the_mean_square_of_the_features_as_their_error():
    """Each candidate's error is a share of its own copy, whatever the number of candidates."""
    grouping = torch.tensor([0, 0, 0, 1, 1, 1, 2, 3, 2, 3, 2, 3])
    model = CategoricalVQVAE(
        ModelShape(
            num_features=12,
            num_categories=4,
            levels=2,
            codebook_sizes=(2,) * 8,
            latent_dims=(1,) * 8,
            embedding_dim=2,
            hidden_dim=2,
            dropout=0.0,
        )
    )
    with torch.no_grad():
        model.partial_output.zero_()
        model.partial_output_bias[4:] = 1.0  # the second candidate always says 1
    features = rows(50)

    errors = _own_errors(model, features.repeat(1, 2), HardRouting.from_grouping(grouping, 4), 2)

    expected = [features.square().mean().item(), (features - 1).square().mean().item()]
    assert errors == pytest.approx(expected, rel=1e-5)


def test_an_audition_is_repeatable_and_leaves_the_callers_random_state_alone(listen, monkeypatch):
    monkeypatch.setattr("catvq.audition.AUDITION_STEPS", 3)
    first = listen(MIXED, BLOCKS)
    after = torch.get_rng_state()
    torch.manual_seed(0)
    rows(200), rows(100)

    assert torch.equal(torch.get_rng_state(), after)
    assert listen(MIXED, BLOCKS) == first


def test_an_audition_stops_when_asked_to(listen):
    answers = iter([False, False, True])

    with pytest.raises(Interrupted, match="compared"):
        listen(MIXED, BLOCKS, should_stop=lambda: next(answers))
