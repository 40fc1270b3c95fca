import numpy as np
import pytest
import torch

from catvq.contest import ContestResult
from catvq.run_data import RunData
from catvq.search_stage import SearchStage
from catvq.start import Categories
from catvq.start_choice import CLEAR_SEPARATION, choose_start, needs_contest
from catvq.table import split_rows

START = np.array([0, 0, 0, 1, 1, 1])

pytestmark = pytest.mark.usefixtures("_short_search")


def categories(allowed=None, separation=0.0):
    matrix = torch.ones(6, 2, dtype=torch.bool) if allowed is None else allowed
    return Categories(("a", "b"), START, matrix, np.full((6, 2), 0.5, np.float32), separation)


@pytest.fixture
def data():
    torch.manual_seed(0)
    return RunData(
        torch.randn(60, 6),
        split_rows(60, validation_fraction=0.1, test_fraction=0.1, seed=0),
        torch.ones(6, 1),
    )


@pytest.fixture
def choose(make_config, data):
    def make(*, found=None, **assignment):
        config = make_config(model={"categories": 2}, assignment=assignment)
        search = None
        if found is not None:
            search = SearchStage(config, categories(), data=data)
            search._search._log_assignments[search._search.winner] = torch.eye(2)[torch.tensor(found)].log()
        return choose_start(
            config, categories(separation=0.4), data=data, search=search, should_stop=lambda: False
        )

    return make


@pytest.mark.parametrize("winner", ["user", "searched"])
def test_the_model_starts_where_the_winner_of_the_contest_ended(choose, monkeypatch, winner):
    seen, end = {}, np.array([1, 0, 0, 0, 0, 1])

    def decided(candidates, *_, **__):
        seen.update(candidates)
        return ContestResult({"user": 0.5, "searched": 0.4}, winner, end, 0.3)

    monkeypatch.setattr("catvq.start_choice.contest", decided)
    settled, report = choose(init="user", found=[0, 1, 0, 1, 0, 1])

    assert {name: grouping.tolist() for name, grouping in seen.items()} == {
        "user": START.tolist(),
        "searched": [0, 1, 0, 1, 0, 1],
    }
    assert settled.grouping.tolist() == end.tolist()
    assert (report.chosen, report.errors["searched"], report.stability) == (winner, 0.4, 0.3)
    assert (report.separation, settled.names) == (0.4, ("a", "b"))


def test_a_random_start_does_not_compete(choose):
    settled, report = choose(init="random", found=[0, 1, 0, 1, 0, 1])

    assert (report.chosen, report.errors, report.stability) == ("searched", {}, None)
    assert settled.grouping.tolist() == [0, 1, 0, 1, 0, 1]


def test_a_start_that_was_found_again_needs_no_contest(choose):
    settled, report = choose(init="clustering", found=[1, 1, 1, 0, 0, 0])

    assert (report.chosen, report.errors) == ("clustering", {})
    assert settled.grouping.tolist() == START.tolist()


def test_by_default_dependence_and_the_usual_groupings_compete(choose):
    _, report = choose()

    assert next(iter(report.errors)) == "dependence"
    assert set(report.errors) <= {
        "dependence",
        "clustering",
        "feature_agglomeration",
        "spectral_correlation",
        "spectral_information",
    }
    assert len(report.errors) > 1
    assert -1 <= report.stability <= 1


@pytest.mark.parametrize(
    ("assignment", "separation", "is_needed"),
    [
        ({}, 0.0, True),
        ({}, CLEAR_SEPARATION, False),
        ({"init": "clustering"}, 0.0, False),
        ({"mode": "static"}, 0.0, False),
        ({"freeze_after_epochs": 0}, 0.0, False),
    ],
)
def test_starts_compete_where_dependence_leaves_doubt(make_config, assignment, separation, is_needed):
    assert needs_contest(make_config(assignment=assignment), categories(separation=separation)) == is_needed


def test_nothing_competes_where_no_feature_has_a_choice(make_config):
    assert not needs_contest(
        make_config(), categories(torch.eye(2, dtype=torch.bool)[torch.from_numpy(START)])
    )
