import subprocess
import sys

import pytest
import torch

from catvq.model.adam import Adam
from catvq.state.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

TRAIN_WITHOUT_COMPILER = """
import sys, torch
from catvq.model.adam import Adam
weight = torch.nn.Parameter(torch.ones(2))
optimizer = Adam([weight], 0.1)
weight.square().sum().backward()
torch.nn.utils.clip_grad_norm_([weight], 1.0)
optimizer.step()
print("torch._dynamo" in sys.modules, weight.tolist() != [1.0, 1.0])
"""


def by_the_paper(start, gradients, rate):
    """The weights after all steps, in float64."""
    weight, mean, square = start.double(), 0.0, 0.0
    for step, gradient in enumerate(gradients, start=1):
        mean = 0.9 * mean + 0.1 * gradient.double()
        square = 0.999 * square + 0.001 * gradient.double() ** 2
        unbiased = square / (1 - 0.999**step)
        weight = weight - rate * mean / (1 - 0.9**step) / (unbiased.sqrt() + 1e-8)
    return weight


def stepped():
    parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = Adam([parameter], 0.1)
    for _ in range(3):
        parameter.grad = parameter.detach().clone()
        optimizer.step()
    return parameter, optimizer


def test_weights_move_as_in_the_paper():
    weights = [torch.nn.Parameter(torch.randn(size)) for size in (3, 1)]
    starts = [weight.detach().clone() for weight in weights]
    gradients = torch.randn(5, 2, 3)
    optimizer = Adam(weights, 0.05)
    for first, second in gradients:
        weights[0].grad, weights[1].grad = first.clone(), second[:1].clone()
        optimizer.step()

    for weight, start, taken in zip(weights, starts, (gradients[:, 0], gradients[:, 1, :1]), strict=True):
        assert weight.detach().numpy() == pytest.approx(by_the_paper(start, taken, 0.05).numpy(), abs=1e-6)


def test_a_weight_without_a_gradient_stays():
    moved, left = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    optimizer = Adam([left, moved], 0.1)
    optimizer.step()
    moved.grad = torch.ones(1)
    optimizer.step()
    assert (moved.tolist(), left.tolist()) == ([pytest.approx(0.9)], [1.0])
    optimizer.zero_grad()
    assert moved.grad is None


def test_it_goes_on_after_a_reload_as_if_never_stopped(tmp_path):
    parameter, optimizer = stepped()
    save_checkpoint(tmp_path / "file", Checkpoint(optimizer.tensors("adam"), {}))
    copy = torch.nn.Parameter(parameter.detach().clone())
    resumed = Adam([copy], 0.1)
    resumed.restore(load_checkpoint(tmp_path / "file").section("adam"))

    for one, its in ((parameter, optimizer), (copy, resumed)):
        one.grad = torch.ones(2)
        its.step()

    assert torch.equal(parameter, copy)


def test_what_is_restored_is_a_copy():
    parameter, optimizer = stepped()
    before = {name: value.clone() for name, value in optimizer.tensors("adam").items()}
    resumed = Adam([torch.nn.Parameter(parameter.detach().clone())], 0.1)
    resumed.restore(Checkpoint(optimizer.tensors("adam"), {}).section("adam"))
    resumed.parameters[0].grad = torch.ones(2)
    resumed.step()
    assert all(torch.equal(value, before[name]) for name, value in optimizer.tensors("adam").items())


def test_one_that_never_stepped_comes_back_empty():
    optimizer = Adam([torch.nn.Parameter(torch.ones(2))], 0.1)
    assert optimizer.tensors("adam") == {}
    optimizer.restore({})
    assert optimizer.state == {}


def test_a_step_loads_no_compiler():
    said = subprocess.check_output([sys.executable, "-c", TRAIN_WITHOUT_COMPILER], text=True)
    assert said.split() == ["False", "True"]
