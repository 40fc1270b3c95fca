from contextlib import suppress

import torch

from catvq.errors import Interrupted
from catvq.state.checkpoint import Checkpoint
from catvq.state.rng import OwnRandomness

CPU = torch.device("cpu")


def draw(randomness, count):
    with randomness.scope():
        return torch.rand(count)


def test_it_goes_on_where_it_stopped_whatever_the_caller_draws():
    randomness, other = OwnRandomness(3, CPU), OwnRandomness(3, CPU)
    first = draw(randomness, 3)
    torch.rand(99)
    second = draw(randomness, 3)

    assert torch.equal(torch.cat([first, second]), draw(other, 6))


def test_the_caller_goes_on_where_it_stopped():
    before = torch.get_rng_state()

    draw(OwnRandomness(3, CPU), 9)

    assert torch.equal(torch.get_rng_state(), before)


def test_another_seed_draws_other_numbers():
    assert not torch.equal(draw(OwnRandomness(3, CPU), 4), draw(OwnRandomness(4, CPU), 4))


def test_what_was_drawn_before_an_interruption_is_not_drawn_again():
    randomness, other = OwnRandomness(3, CPU), OwnRandomness(3, CPU)
    with suppress(Interrupted), randomness.scope():
        torch.rand(3)
        raise Interrupted

    assert torch.equal(draw(randomness, 3), draw(other, 6)[3:])


def test_an_attempt_that_is_interrupted_has_drawn_nothing_and_one_that_ends_has():
    randomness, other = OwnRandomness(3, CPU), OwnRandomness(3, CPU)
    with suppress(Interrupted), randomness.attempt():
        torch.rand(3)
        raise Interrupted
    with randomness.attempt():
        first = torch.rand(3)

    assert torch.equal(torch.cat([first, draw(randomness, 3)]), draw(other, 6))


def test_it_goes_on_after_a_reload():
    randomness, other = OwnRandomness(3, CPU), OwnRandomness(8, CPU)
    draw(randomness, 5)
    tensors = {}
    randomness.save_into(tensors)

    other.restore_from(Checkpoint({name: value.clone() for name, value in tensors.items()}, {}))

    assert torch.equal(draw(other, 5), draw(randomness, 5))


def test_a_state_saved_on_a_machine_with_a_gpu_goes_on_without_one():
    randomness = OwnRandomness(3, CPU)
    tensors = {}
    randomness.save_into(tensors)

    randomness.restore_from(Checkpoint(tensors | {"random.device": torch.zeros(16, dtype=torch.uint8)}, {}))

    assert draw(randomness, 2).shape == (2,)
