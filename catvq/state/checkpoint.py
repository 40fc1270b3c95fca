"""Resumable states on disk: one safetensors file that also holds JSON, written atomically, never pickle."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from catvq.errors import CheckpointError

FORMAT = "catvq-checkpoint-1"


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by dotted name, and JSON values beside them."""

    tensors: Mapping[str, Tensor]
    document: Mapping[str, Any]

    def section(self, prefix: str) -> dict[str, Tensor]:
        """The tensors under one prefix, without it."""
        return {k[len(prefix) + 1 :]: v for k, v in self.tensors.items() if k.startswith(f"{prefix}.")}


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint so that `path` holds either all of it or what was there before."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    document = json.dumps(checkpoint.document, allow_nan=False)
    metadata = {"format": FORMAT, "document": document, "digest": _digest(tensors, document)}
    write_atomically(path, save(tensors, metadata=metadata))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and verify its digest.

    Raises:
        CheckpointError: The file is missing, torn, corrupt or not a checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"checkpoint {path.name} cannot be read: {error}") from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"checkpoint {path.name} is not of format {FORMAT}")
    document = metadata.get("document", "")
    if metadata.get("digest") != _digest(tensors, document):
        raise CheckpointError(f"checkpoint {path.name} is corrupt: its digest does not match")
    return Checkpoint(tensors, json.loads(document))


def write_atomically(path: Path, content: bytes) -> None:
    """Write to a temporary neighbour, flush it to disk and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def flatten_optimizer(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """An optimiser's state tensors, named `prefix.<parameter>.<entry>`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{prefix}.{index}.{name}": value
        for index, entries in state.items()
        for name, value in entries.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `flatten_optimizer` took, with the prefix removed; rates stay the optimiser's own."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, entry = name.split(".", 1)
        state.setdefault(int(index), {})[entry] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _digest(tensors: Mapping[str, Tensor], document: str) -> str:
    digest = hashlib.sha256(document.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
