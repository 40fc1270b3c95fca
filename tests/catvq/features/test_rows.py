import torch

from catvq.config import TrainingConfig
from catvq.features.rows import RunData
from catvq.features.table import split_rows

FEATURES = torch.arange(40.0).reshape(20, 2)


def data(validation):
    split = split_rows(TrainingConfig(validation_fraction=validation), 20)
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
