import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from catvq.errors import CheckpointError
from catvq.state.checkpoint import (
    FORMAT,
    Checkpoint,
    flatten_optimizer,
    load_checkpoint,
    restore_optimizer,
    save_checkpoint,
    write_atomically,
)


def example():
    tensors = {
        "model.weight": torch.arange(6.0).reshape(2, 3),
        "model.step": torch.tensor(7),
        "random.cpu": torch.arange(5, dtype=torch.uint8),
        "mask": torch.tensor([True, False]),
    }
    return Checkpoint(tensors, {"run": {"epoch": 2}, "name": "a\u00e9"})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "checkpoint.safetensors"
    save_checkpoint(path, example())
    return path


def test_a_checkpoint_comes_back_with_every_bit_type_and_shape(saved):
    loaded, expected = load_checkpoint(saved), example()

    assert loaded.document == expected.document
    assert loaded.tensors.keys() == expected.tensors.keys()
    for name, tensor in expected.tensors.items():
        assert loaded.tensors[name].dtype == tensor.dtype
        assert torch.equal(loaded.tensors[name], tensor)


def test_a_section_holds_the_tensors_under_its_prefix_and_no_others(saved):
    checkpoint = load_checkpoint(saved)

    assert checkpoint.section("model").keys() == {"weight", "step"}
    assert checkpoint.section("mod") == {}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_checkpoint_with_any_one_bit_changed_is_refused_or_unharmed(saved, tmp_path_factory, data):
    content = bytearray(saved.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    path = tmp_path_factory.mktemp("flipped") / "checkpoint"
    path.write_bytes(content)

    try:
        loaded = load_checkpoint(path)
    except CheckpointError as error:
        assert "checkpoint" in str(error)  # noqa: PT017 - both outcomes are allowed
    else:
        assert loaded.document == example().document
        assert all(torch.equal(loaded.tensors[name], value) for name, value in example().tensors.items())


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 100, 400, -1])
def test_a_torn_checkpoint_is_refused(saved, tmp_path, kept):
    torn = tmp_path / "torn"
    torn.write_bytes(saved.read_bytes()[:kept])

    with pytest.raises(CheckpointError, match="torn"):
        load_checkpoint(torn)


def test_a_missing_checkpoint_is_refused_by_name(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        load_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "change", [("F32", "I32"), ("[2,3]", "[3,2]"), ("document", "documens"), ("digest", "digess")]
)
def test_a_header_that_no_longer_describes_its_bytes_is_refused(saved, tmp_path, change):
    content = saved.read_bytes()
    old, new = (text.encode() for text in change)
    assert old in content
    (tmp_path / "changed").write_bytes(content.replace(old, new, 1))

    with pytest.raises(CheckpointError, match="changed"):
        load_checkpoint(tmp_path / "changed")


@pytest.mark.parametrize("metadata", [None, {"format": "other"}, {"format": FORMAT}])
def test_a_safetensors_file_of_another_kind_is_refused(tmp_path, metadata):
    save_file({"weight": torch.ones(2)}, tmp_path / "other", metadata=metadata)

    with pytest.raises(CheckpointError, match="other"):
        load_checkpoint(tmp_path / "other")


def test_a_document_that_is_not_json_is_refused_and_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "checkpoint"
    save_checkpoint(path, example())
    before = path.read_bytes()

    with pytest.raises(ValueError, match="JSON"):
        save_checkpoint(path, Checkpoint({}, {"loss": float("nan")}))

    assert path.read_bytes() == before


def test_a_write_that_fails_leaves_the_old_content_and_no_temporary_file(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    with pytest.raises(TypeError):
        write_atomically(path, "text is not bytes")

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_makes_the_directories_it_needs(tmp_path):
    write_atomically(tmp_path / "a" / "b" / "file", b"new")

    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"new"


def stepped_optimizer():
    parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = torch.optim.Adam([parameter], lr=0.1, fused=True)
    for _ in range(3):
        parameter.grad = parameter.detach().clone()
        optimizer.step()
    return parameter, optimizer


def test_an_optimiser_goes_on_after_a_reload_as_if_never_stopped(tmp_path):
    parameter, optimizer = stepped_optimizer()
    save_checkpoint(tmp_path / "file", Checkpoint(flatten_optimizer(optimizer, "adam"), {}))
    copy = torch.nn.Parameter(parameter.detach().clone())
    resumed = torch.optim.Adam([copy], lr=0.1, fused=True)
    restore_optimizer(resumed, load_checkpoint(tmp_path / "file").section("adam"))

    for one, its in ((parameter, optimizer), (copy, resumed)):
        one.grad = torch.ones(2)
        its.step()

    assert torch.equal(parameter, copy)


def test_an_optimiser_that_never_stepped_comes_back_empty():
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(2))])
    flat = flatten_optimizer(optimizer, "adam")
    restore_optimizer(optimizer, flat)

    assert flat == {}
    assert optimizer.state_dict()["state"] == {}


def test_a_checkpoint_is_never_a_pickle(saved):
    header_size = int.from_bytes(saved.read_bytes()[:8], "little")
    header = json.loads(saved.read_bytes()[8 : 8 + header_size])

    assert header["__metadata__"]["format"] == FORMAT
