"""Random states that belong to one run, so that it neither disturbs others nor is disturbed."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from catvq.errors import Interrupted
from catvq.state.checkpoint import Checkpoint


class OwnRandomness:
    """The state of torch's generators as one part of a run sees them.

    Args:
        seed: Start of the state.
        device: Whose generator is kept besides the CPU's.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._device = device
        self._cpu = torch.Generator().manual_seed(seed).get_state()
        self._accelerator: Tensor | None = None
        if device.type == "cuda":
            self._accelerator = torch.Generator(device).manual_seed(seed).get_state()

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Run torch's global generators from this state, and leave the caller's untouched."""
        devices = [] if self._accelerator is None else [self._device]
        with torch.random.fork_rng(devices=devices):
            torch.set_rng_state(self._cpu)
            if self._accelerator is not None:
                torch.cuda.set_rng_state(self._accelerator, self._device)
            try:
                yield
            finally:
                self._cpu = torch.get_rng_state()
                if self._accelerator is not None:
                    self._accelerator = torch.cuda.get_rng_state(self._device)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """As `scope`, for what begins again when it is interrupted: then nothing was drawn."""
        before = self._cpu, self._accelerator
        try:
            with self.scope():
                yield
        except Interrupted:
            self._cpu, self._accelerator = before
            raise

    def save_into(self, tensors: dict[str, Tensor]) -> None:
        """Add the state to `tensors`."""
        tensors["random.cpu"] = self._cpu
        if self._accelerator is not None:
            tensors["random.device"] = self._accelerator

    def restore_from(self, checkpoint: Checkpoint) -> None:
        """Put back what `save_into` took."""
        self._cpu = checkpoint.tensors["random.cpu"]
        if self._accelerator is not None:  # a checkpoint written without a GPU holds none
            self._accelerator = checkpoint.tensors.get("random.device", self._accelerator)
