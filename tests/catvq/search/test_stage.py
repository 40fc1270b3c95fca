import numpy as np
import pytest
import torch

from catvq.config import TrainingSettings
from catvq.errors import Interrupted
from catvq.features.rows import RunData
from catvq.features.split import split_rows
from catvq.grouping.categories import Categories
from catvq.search.stage import SearchStage, needs_search

START = np.array([0, 0, 0, 1, 1, 1])

pytestmark = pytest.mark.usefixtures("_short_search")


def categories(allowed=None):
    matrix = torch.ones(6, 2, dtype=torch.bool) if allowed is None else allowed
    return Categories(("a", "b"), START, matrix, np.full((6, 2), 0.5, np.float32))


@pytest.fixture
def build(make_config):
    def make(**assignment):
        torch.manual_seed(0)
        split = split_rows(TrainingSettings(), 60)
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
    stage._search.step = lambda rows, cells: seen.append(rows) or step(rows, cells)
    stage._search.choose = lambda rows, cells, **options: (
        judged.append((rows, options)) or choose(rows, cells, **options)
    )

    searched(stage)

    train = {tuple(row) for row in stage._data.train.tolist()}
    assert {tuple(row) for row in torch.cat(seen).tolist()} <= train
    assert all(torch.equal(rows, stage._data.held_out) for rows, _ in judged)
    assert [options["is_final"] for _, options in judged] == [False, False, True]


@pytest.mark.parametrize(
    ("assignment", "is_needed"),
    [
        ({"estimator": "mirror"}, True),
        ({"estimator": "auto", "init": "clustering"}, True),
        ({"estimator": "auto", "init": "auto"}, False),
        ({"estimator": "softmax"}, False),
        ({"estimator": "mirror", "mode": "static"}, False),
        ({"estimator": "mirror", "freeze_after_epochs": 0}, False),
    ],
)
def test_a_search_is_needed_where_the_assignment_is_learnt_by_it(make_config, assignment, is_needed):
    assert needs_search(make_config(assignment=assignment), categories(), epochs=5) == is_needed


def test_no_search_is_needed_where_no_feature_has_a_choice(make_config):
    one_each = torch.eye(2, dtype=torch.bool)[torch.from_numpy(START)]

    assert not needs_search(make_config(assignment={"estimator": "mirror"}), categories(one_each), epochs=5)
