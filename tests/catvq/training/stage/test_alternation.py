import pytest

from catvq.training.stage.alternation import Learning, learning_in

B, M, A = Learning.BOTH, Learning.MODEL, Learning.ASSIGNMENT


@pytest.mark.parametrize(
    ("order", "freeze_epoch", "expected"),
    [
        ("together", 5, [B, B, B, B, B]),
        ("model_first", 5, [M, B, B, B, B]),
        ("model_first", 10, [M, M, B, B, B, B, B, B, B, B]),
        ("model_first", 1, [M]),
        ("in_turn", 5, [M, A, M, A, M]),
    ],
)
def test_what_learns_in_each_epoch_until_the_assignment_is_hard(order, freeze_epoch, expected):
    assert [learning_in(order, epoch, freeze_epoch=freeze_epoch) for epoch in range(freeze_epoch)] == expected
