import numpy as np
import pytest
import torch

from catvq.audition import AuditionResult
from catvq.errors import Interrupted
from catvq.run_data import RunData
from catvq.search_stage import SearchStage, needs_search
from catvq.start import Categories
from catvq.table import split_rows

START = np.array([0, 0, 0, 1, 1, 1])

pytestmark = pytest.mark.usefixtures("_short_search")


def categories(allowed=None):
    matrix = torch.ones(6, 2, dtype=torch.bool) if allowed is None else allowed
    return Categories(("a", "b"), START, matrix, np.full((6, 2), 0.5, np.float32))


@pytest.fixture
def build(make_config):
    def make(**assignment):
        torch.manual_seed(0)
        split = split_rows(60, validation_fraction=0.1, test_fraction=0.1, seed=0)
        data = RunData(torch.randn(60, 6), split, torch.ones(6, 1))
        config = make_config(model={"categories": 2}, assignment={"estimator": "mirror", **assignment})
        return SearchStage(config, categories(), data=data)

    return make


def never():
    return False


def searched(stage):
    while not stage.is_done:
        stage.advance(never)
    return stage


def let_find(stage, grouping):
    """As if the search had ended with this grouping."""
    search = stage._search
    search._log_assignments[search.winner] = torch.eye(2)[torch.from_numpy(grouping)].log()
    search._order = torch.arange(2)


def test_a_chunk_is_a_part_of_the_search(build):
    stage = build()
    assert (stage.step_count, stage.is_done, stage.temperature) == (0, False, None)

    stage.advance(never)
    assert (stage.step_count, stage.is_done) == (4, False)
    assert stage.temperature > 0

    assert searched(stage).step_count == 12


def test_an_interrupted_chunk_goes_on_from_its_step(build):
    stage, other = build(), build()
    answers = iter([False, False, True])
    with pytest.raises(Interrupted, match="before step 3"):
        stage.advance(lambda: next(answers))
    assert stage.step_count == 2

    stage.advance(never)
    other.advance(never)

    assert stage.step_count == 4
    assert torch.equal(stage.soft(), other.soft())


def test_the_search_sees_training_rows_and_compares_on_validation_rows(build):
    stage, seen, judged = build(), [], []
    step, choose = stage._search.step, stage._search.choose
    stage._search.step = lambda rows: seen.append(rows) or step(rows)
    stage._search.choose = lambda rows, **options: judged.append((rows, options)) or choose(rows, **options)

    searched(stage)

    train = {tuple(row) for row in stage._data.train.tolist()}
    assert {tuple(row) for row in torch.cat(seen).tolist()} <= train
    assert all(torch.equal(rows, stage._data.held_out) for rows, _ in judged)
    assert [options["is_final"] for _, options in judged] == [False, False, True]


@pytest.mark.parametrize("winner", [0, 1])
def test_the_model_starts_from_the_better_of_start_and_find(build, monkeypatch, winner):
    stage, found = searched(build()), np.array([0, 1, 0, 1, 0, 1])
    let_find(stage, found)
    monkeypatch.setattr("catvq.search_stage.audition", lambda *_, **__: AuditionResult([0.5, 0.4], winner))

    settled, report = stage.conclude(never)

    assert np.array_equal(settled.grouping, [START, found][winner])
    assert (report.candidates, report.candidate_errors) == (["start", "searched"], [0.5, 0.4])
    assert report.chosen == ["start", "searched"][winner]
    assert settled.names == ("a", "b")


def test_a_random_start_does_not_compete(build):
    stage = searched(build(init="random"))

    settled, report = stage.conclude(never)

    assert (report.candidates, report.candidate_errors, report.chosen) == (["searched"], [], "searched")
    assert settled.grouping.tolist() == stage.soft().argmax(dim=1).tolist()


def test_a_start_that_was_found_again_needs_no_comparison(build):
    stage = searched(build())
    let_find(stage, START)

    _, report = stage.conclude(never)

    assert (report.candidates, report.candidate_errors, report.chosen) == (["searched"], [], "searched")


@pytest.mark.parametrize(
    ("assignment", "is_needed"),
    [
        ({"estimator": "mirror"}, True),
        ({"estimator": "auto"}, True),
        ({"estimator": "softmax"}, False),
        ({"estimator": "mirror", "mode": "static"}, False),
        ({"estimator": "mirror", "freeze_after_epochs": 0}, False),
    ],
)
def test_a_search_is_needed_where_the_assignment_is_learnt_by_it(make_config, assignment, is_needed):
    assert needs_search(make_config(assignment=assignment), categories()) == is_needed


def test_no_search_is_needed_where_no_feature_has_a_choice(make_config):
    one_each = torch.eye(2, dtype=torch.bool)[torch.from_numpy(START)]

    assert not needs_search(make_config(assignment={"estimator": "mirror"}), categories(one_each))
