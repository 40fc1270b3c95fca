import numpy as np
import pytest
import torch

from catvq.config import TrainingSettings
from catvq.features.rows import RunData
from catvq.features.split import split_rows

FEATURES = torch.arange(40.0).reshape(20, 2)


def data(validation):
    split = split_rows(TrainingSettings(validation_fraction=validation), 20)
    return RunData(FEATURES, split, torch.ones(2, 1))


def test_training_rows_are_those_of_the_split():
    found = data(0.2)

    assert torch.equal(found.train, FEATURES[torch.from_numpy(found.split.train)])
    assert torch.equal(found.train, FEATURES[found.train_rows])
    assert found.device == FEATURES.device


def test_choices_look_at_validation_rows_and_never_at_test_rows():
    found = data(0.2)

    assert found.has_validation
    assert torch.equal(found.held_out, FEATURES[torch.from_numpy(found.split.validation)])


def test_choices_look_at_training_rows_where_no_others_were_kept():
    found = data(0.0)

    assert not found.has_validation
    assert torch.equal(found.held_out, found.train)


def test_a_cell_that_is_missing_counts_nothing_and_the_others_so_much_that_features_count_1_in_the_mean():
    present = torch.ones(20, 3, dtype=torch.bool)
    present[[0, 1, 2], 0] = False
    present[3, 1:] = False  # both columns of the second feature
    is_odd = torch.arange(20) % 2.0
    features = torch.stack([is_odd, 2 * is_odd, 2 - 2 * is_odd], dim=1)
    found = RunData(features, data(0.2).split, torch.ones(2, 1), np.array([0, 1, 1]), present=present)

    cells = found.cells(torch.arange(4))

    assert cells[3].tolist() == [2, 0, 0]  # 4 of 8 cells of features are there
    assert cells[0].tolist() == [0, 2, 2]
    assert torch.equal(found.train_cells(torch.arange(14)) > 0, present[found.train_rows])
    assert np.isnan(found.train_scores).sum() == (~present[found.train_rows][:, :2]).sum()


def test_without_missing_cells_none_counts_more_than_another():
    assert data(0.2).cells(torch.arange(4)) is None
    assert data(0.2).train_cells(torch.arange(4)) is None


def test_cells_count_by_the_weight_of_their_row():
    present = torch.ones(20, 2, dtype=torch.bool)
    present[1, 1] = False
    split, weights = data(0.2).split, np.arange(20) + 1.0

    plain = RunData(FEATURES, split, torch.ones(2, 1), weights=weights).cells(torch.tensor([0, 1, 2]))
    gaps = RunData(FEATURES, split, torch.ones(2, 1), present=present, weights=weights)

    assert plain.tolist() == [[0.5, 0.5], [1, 1], [1.5, 1.5]]
    assert gaps.cells(torch.tensor([0, 1, 2])) == pytest.approx(np.array([[1, 1], [2, 0], [3, 3]]) * 6 / 10)
    assert gaps.train_cells(torch.arange(14)).unique().tolist() == pytest.approx([0, 28 / 27])
