import numpy as np
import pytest
import torch

from catvq.contest import MARGIN, _Field, contest
from catvq.errors import Interrupted

BLOCKS = np.array([0, 0, 0, 1, 1, 1])
MIXED = np.array([0, 1, 0, 1, 0, 1])
ALL = torch.ones(6, 2, dtype=torch.bool)


def rows(count):
    """Two blocks of three features; within one they are nearly equal."""
    return torch.randn(count, 2).repeat_interleave(3, dim=1) + 0.05 * torch.randn(count, 6)


@pytest.fixture
def settings(make_config):
    return make_config(model={"categories": 2, "codebook_size": 8, "latent_dim": 1, "levels": 1})


@pytest.fixture
def listen(settings):
    def hear(*, allowed=ALL, should_stop=lambda: False, **candidates):
        torch.manual_seed(0)
        return contest(
            candidates, allowed, config=settings, train=rows(200), held_out=rows(100), should_stop=should_stop
        )

    return hear


@pytest.mark.parametrize("order", [("blocks", "heaped"), ("heaped", "blocks")])
def test_the_grouping_whose_codes_tell_most_of_the_features_wins(listen, monkeypatch, order):
    monkeypatch.setattr("catvq.contest.CONTEST_STEPS", 150)
    monkeypatch.setattr("catvq.contest.ASSIGNMENT_LR", 0.0)  # both stay what they are
    groupings = {"blocks": BLOCKS, "heaped": np.zeros(6, dtype=np.int64)}

    result = listen(**{name: groupings[name] for name in order})

    assert result.winner == "blocks"
    assert result.errors["blocks"] < 0.9 * result.errors["heaped"]
    assert result.grouping.tolist() == BLOCKS.tolist()


def test_the_first_yields_only_to_a_clearly_better_challenger(listen, monkeypatch):
    monkeypatch.setattr("catvq.contest.CONTEST_STEPS", 1)

    for challenger, winner in ((1 - MARGIN / 2, "first"), (1 - 2 * MARGIN, "second")):
        monkeypatch.setattr(_Field, "errors", lambda *_, e=challenger: [0.5, 0.5 * e])
        assert listen(first=MIXED, second=BLOCKS).winner == winner


def test_a_contest_is_repeatable_and_leaves_others_chance_alone(listen, monkeypatch):
    monkeypatch.setattr("catvq.contest.CONTEST_STEPS", 5)
    before = listen(a=MIXED, b=BLOCKS)
    torch.manual_seed(0)
    rows(200), rows(100)
    expected = torch.rand(1)

    after = listen(a=MIXED, b=BLOCKS)

    assert before.errors == after.errors
    assert torch.equal(torch.rand(1), expected)


def test_a_category_that_is_not_allowed_is_never_taken(listen, monkeypatch):
    monkeypatch.setattr("catvq.contest.CONTEST_STEPS", 40)
    monkeypatch.setattr("catvq.contest.ASSIGNMENT_LR", 1.0)
    allowed = torch.eye(2, dtype=torch.bool)[torch.from_numpy(MIXED)]

    assert listen(allowed=allowed, a=MIXED, b=MIXED).grouping.tolist() == MIXED.tolist()


def test_a_contest_can_be_stopped_before_any_step(listen):
    answers = iter([False, True])
    with pytest.raises(Interrupted):
        listen(a=MIXED, b=BLOCKS, should_stop=lambda: next(answers))


def test_logits_move_while_soft_and_stay_once_hard(settings):
    torch.manual_seed(0)
    field = _Field([MIXED, BLOCKS], ALL, config=settings, rows=200)
    field.place_codebooks(rows(64))
    start = field._logits.detach().clone()

    field.step(rows(32), progress=0.0)
    moved = field._logits.detach().clone()
    field.step(rows(32), progress=0.9)

    assert not torch.equal(start, moved)
    assert torch.equal(moved, field._logits)


def test_each_candidate_is_judged_by_its_own_streams(settings):
    torch.manual_seed(0)
    field, features = _Field([MIXED, BLOCKS], ALL, config=settings, rows=200), rows(64)
    field.place_codebooks(features)
    before = field.errors(features)

    with torch.no_grad():
        field._decoders.output[1] += 1.0
    after = field.errors(features)

    assert after[0] == before[0]
    assert after[1] != before[1]
