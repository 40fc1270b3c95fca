import numpy as np
import pytest
import torch

from catvq.contest import HARD_FROM, MARGIN, _Field, contest
from catvq.errors import Interrupted

BLOCKS = np.array([0, 0, 0, 1, 1, 1])
MIXED = np.array([0, 1, 0, 1, 0, 1])
LOPSIDED = np.array([0, 0, 0, 0, 0, 1])
ALL = torch.ones(6, 2, dtype=torch.bool)


def rows(count):
    """Six features that have nothing to do with each other."""
    return torch.randn(count, 6)


@pytest.fixture
def settings(make_config):
    return make_config(model={"categories": 2, "codebook_size": 8, "latent_dim": 3, "levels": 1})


@pytest.fixture
def compete(settings):
    def run(*, allowed=ALL, should_stop=lambda: False, **candidates):
        torch.manual_seed(0)
        return contest(
            candidates, allowed, config=settings, train=rows(200), held_out=rows(100), should_stop=should_stop
        )

    return run


@pytest.fixture
def build(settings):
    def make(*groupings):
        torch.manual_seed(0)
        field = _Field(list(groupings), ALL, config=settings, rows=200)
        field.place_codebooks(rows(64))
        return field

    return make


@pytest.mark.parametrize("order", [("even", "lopsided"), ("lopsided", "even")])
def test_the_grouping_whose_codes_tell_most_of_the_features_wins(compete, monkeypatch, order):
    """Eight codes for three features each, or eight for five and eight for one."""
    monkeypatch.setattr("catvq.contest.CONTEST_STEPS", 150)
    monkeypatch.setattr("catvq.contest.ASSIGNMENT_LR", 0.0)  # both stay what they are
    groupings = {"even": BLOCKS, "lopsided": LOPSIDED}

    result = compete(**{name: groupings[name] for name in order})

    assert result.winner == "even"
    assert result.errors["even"] < 0.95 * result.errors["lopsided"] < 1
    assert result.grouping.tolist() == BLOCKS.tolist()


def test_the_first_yields_only_to_a_clearly_better_challenger(compete, monkeypatch):
    monkeypatch.setattr("catvq.contest.CONTEST_STEPS", 1)

    for challenger, winner in ((1 - MARGIN / 2, "first"), (1 - 2 * MARGIN, "second")):
        monkeypatch.setattr(_Field, "errors", lambda *_, e=challenger: [0.5, 0.5 * e])
        assert compete(first=MIXED, second=BLOCKS).winner == winner


def test_a_contest_follows_its_seed_and_leaves_the_callers_chance_alone(compete, monkeypatch):
    monkeypatch.setattr("catvq.contest.CONTEST_STEPS", 5)
    first = compete(a=MIXED, b=BLOCKS)
    torch.manual_seed(0)
    rows(200), rows(100)
    expected = torch.rand(1)

    again = compete(a=MIXED, b=BLOCKS)

    assert first.errors == again.errors
    assert first.grouping.tolist() == again.grouping.tolist()
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("questions", [0, 1, 4])
def test_a_contest_that_is_stopped_leaves_nothing_behind(compete, monkeypatch, questions):
    monkeypatch.setattr("catvq.contest.CONTEST_STEPS", 5)
    candidates = {"a": MIXED.copy(), "b": BLOCKS.copy()}
    expected = compete(**candidates).errors
    random_state = torch.get_rng_state()
    answers = iter([False] * questions + [True])

    with pytest.raises(Interrupted, match="compared"):
        compete(**candidates, should_stop=lambda: next(answers))

    assert torch.equal(torch.get_rng_state(), random_state)
    assert [grouping.tolist() for grouping in candidates.values()] == [MIXED.tolist(), BLOCKS.tolist()]
    assert compete(**candidates).errors == expected


def test_a_category_that_is_not_allowed_is_never_taken(compete, monkeypatch):
    monkeypatch.setattr("catvq.contest.CONTEST_STEPS", 40)
    monkeypatch.setattr("catvq.contest.ASSIGNMENT_LR", 1.0)
    allowed = torch.tensor([[True, True, False]] * 3 + [[False, False, True]] * 3)
    first, second = np.array([0, 0, 1, 2, 2, 2]), np.array([1, 0, 0, 2, 2, 2])

    result = compete(allowed=allowed, a=first, b=second)

    assert set(result.grouping[:3]) <= {0, 1}
    assert result.grouping[3:].tolist() == [2, 2, 2]
    assert (
        result.grouping.tolist() != {"a": first, "b": second}[result.winner].tolist()
    )  # it was free to move
    assert all(np.isfinite(error) for error in result.errors.values())


def test_a_table_that_comes_sorted_is_judged_on_rows_from_all_over(settings, monkeypatch):
    monkeypatch.setattr("catvq.contest.CONTEST_STEPS", 1)
    monkeypatch.setattr("catvq.contest.JUDGING_ROWS", 10)
    seen, errors = [], _Field.errors
    monkeypatch.setattr(_Field, "errors", lambda field, rows: seen.append(rows) or errors(field, rows))
    held_out = torch.arange(100.0).repeat(6, 1).T / 100

    contest(
        {"a": MIXED, "b": BLOCKS},
        ALL,
        config=settings,
        train=rows(200),
        held_out=held_out,
        should_stop=lambda: False,
    )

    assert len(seen[0]) == 10
    assert seen[0].max() > 0.5


def test_logits_of_every_candidate_move_while_soft_and_stay_once_hard(build):
    field = build(MIXED, BLOCKS)
    start = field._logits.detach().clone()

    field.step(rows(32), progress=0.0)
    moved = field._logits.detach().clone()
    field.step(rows(32), progress=HARD_FROM)

    assert (start != moved).any(dim=2).any(dim=0).tolist() == [True, True]
    assert torch.equal(moved, field._logits)


def test_a_candidate_does_not_notice_the_others_but_through_the_first_layer(build):
    fields = build(MIXED, BLOCKS), build(MIXED, LOPSIDED)
    batches = [rows(32) for _ in range(4)]
    for field in fields:
        field._model.encoder.feature_weight.requires_grad_(False)
        for progress, batch in zip((0.0, 0.4, 0.8, 0.9), batches, strict=True):
            field.step(batch, progress=progress)

    own, other = (torch.tensor(field.errors(batches[0])) for field in fields)

    assert own[0] == pytest.approx(other[0].item(), rel=1e-4)
    assert own[1] != pytest.approx(other[1].item(), rel=1e-4)
    torch.testing.assert_close(fields[0]._logits[:, 0], fields[1]._logits[:, 0])


def test_candidates_read_the_features_alike_however_many_they_are(build):
    """The first layer starts as wide as the gates of more categories are narrow."""
    features = rows(500)

    def spread(field):
        encoder, routing = field._model.encoder, field._routing(0.0)
        return routing.project(features, encoder.feature_weight)[:2].square().mean().item()

    few, many = build(MIXED), build(MIXED, *[BLOCKS] * 7)
    with torch.no_grad():  # the same weights but for their scale
        weight = few._model.encoder.feature_weight
        many._model.encoder.feature_weight.copy_(weight * 8**0.5)

    assert spread(few) == pytest.approx(spread(many), rel=1e-4)
    wide, narrow = (build(MIXED, *others)._model.encoder.feature_weight for others in ([BLOCKS] * 7, []))
    assert (wide.std() / narrow.std()).item() == pytest.approx(8**0.5, rel=0.3)


def test_each_candidate_is_judged_by_its_own_decoder(build):
    field, features = build(MIXED, BLOCKS), rows(64)
    before = field.errors(features)

    with torch.no_grad():
        field._decoders.output[1] += 1.0
    after = field.errors(features)

    assert after[0] == before[0]
    assert after[1] != before[1]
