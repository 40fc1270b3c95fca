import dataclasses
import json

import numpy as np
import pytest
import torch

from catvq.errors import Interrupted
from catvq.grouping import moves
from catvq.grouping.categories import Categories
from catvq.grouping.choose_initial import (
    CLEAR_SEPARATION,
    LEAST_GAIN,
    StartReport,
    choose_start,
    feature_covariance,
)

START = np.array([0, 0, 0, 1, 1, 1])
ALL = np.ones((6, 2), bool)


def categories(allowed=ALL, separation=0.4):
    return Categories(
        ("a", "b"), START, torch.from_numpy(allowed), np.full((6, 2), 0.5, np.float32), separation
    )


@pytest.fixture(scope="module")
def rows():
    """Six features, of which 0, 2, 4 and 1, 3, 5 have a common cause."""
    rng = np.random.default_rng(0)
    causes = rng.normal(size=(300, 2))
    return (causes[:, [0, 1, 0, 1, 0, 1]] + 0.3 * rng.normal(size=(300, 6))).astype(np.float32)


@pytest.fixture
def choose(make_config, rows):
    def make(given, rows=rows, **assignment):
        return choose_start(make_config(model={"categories": 2}, assignment=assignment), given, rows)

    return make


def test_in_doubt_the_start_is_what_codes_carry_best(choose):
    settled, report = choose(categories())

    assert settled.grouping[0] == settled.grouping[2] == settled.grouping[4]
    assert settled.grouping[1] == settled.grouping[3] == settled.grouping[5]
    assert settled.names == ("a", "b")
    assert next(iter(report.errors)) == "dependence"
    assert report.errors["dependence"] > report.errors[report.chosen] >= report.improved_error > 0
    assert (report.separation, report.is_improved, report.stability) == (0.4, True, pytest.approx(1))
    assert not report.is_cut_short


def test_a_start_that_took_all_the_work_it_may_says_so(choose, monkeypatch):
    monkeypatch.setattr(moves, "MAX_WORK", 0)

    _, report = choose(categories())

    assert report.is_cut_short
    assert report.improved_error == min(report.errors.values())
    assert json.loads(json.dumps(dataclasses.asdict(report)))["is_cut_short"] is True


def test_dependence_yields_only_to_a_clear_gain(choose, rows):
    """Independent features, three for each category: whatever is moved, chance is all that is gained."""
    noise = np.random.default_rng(1).normal(size=rows.shape).astype(np.float32)

    settled, report = choose(categories(), rows=noise)

    assert settled.grouping.tolist() == START.tolist()
    assert (report.chosen, report.is_improved) == ("dependence", False)
    assert (1 - LEAST_GAIN) * report.errors["dependence"] < report.improved_error


@pytest.mark.parametrize(
    ("given", "assignment", "name"),
    [
        (categories(separation=CLEAR_SEPARATION), {}, "dependence"),
        (categories(), {"init": "clustering"}, "clustering"),
        (categories(), {"init": "random"}, "random"),
        (categories(), {"mode": "static"}, "clustering"),
        (categories(allowed=np.eye(2, dtype=bool)[START]), {}, "dependence"),
    ],
)
def test_a_start_that_is_clear_or_asked_for_stays(choose, given, assignment, name):
    settled, report = choose(given, **assignment)

    assert settled.grouping.tolist() == START.tolist()
    assert report == StartReport(name, given.separation)


def test_features_that_determine_each_other_are_no_trouble(choose, rows):
    doubled = rows.copy()
    doubled[:, 5] = doubled[:, 3]

    settled, _ = choose(categories(), rows=doubled)

    assert settled.grouping[5] == settled.grouping[3]


def test_families_stay_apart(choose):
    allowed = np.zeros((6, 4), bool)
    allowed[:3, :2] = allowed[3:, 2:] = True
    given = Categories(
        ("a", "b", "c", "d"), np.array([0, 1, 0, 2, 3, 2]), torch.from_numpy(allowed), allowed / 2, 0.0
    )
    settled, _ = choose(given)
    assert allowed[np.arange(6), settled.grouping].all()


def test_a_choice_can_be_stopped(make_config, rows):
    asked = iter([False, False, True])
    with pytest.raises(Interrupted):
        choose_start(make_config(model={"categories": 2}), categories(), rows, lambda: next(asked))


def test_the_covariance_of_a_table_with_gaps_is_that_of_what_is_there(rows):
    gaps = rows.copy()
    gone = np.random.default_rng(0).random((300, 2)) < 0.5
    gaps[np.repeat(gone, 3, axis=1)] = np.nan
    whole, seen = (feature_covariance(table, seed=0) for table in (rows, gaps))

    scale = np.sqrt(np.diag(whole))
    assert np.linalg.eigvalsh(seen)[0] > 0
    assert seen == pytest.approx(whole / np.outer(scale, scale), abs=0.15)


def test_a_start_is_chosen_for_a_table_with_gaps(choose, rows):
    gaps = rows.copy()
    gaps[:100, :3] = np.nan

    settled, report = choose(categories(), rows=gaps)

    assert settled.grouping.tolist() in ([0, 1, 0, 1, 0, 1], [1, 0, 1, 0, 1, 0])
    assert all(np.isfinite(list(report.errors.values())))
