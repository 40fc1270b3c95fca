"""The processes that compute parts of a run's steps: how they start, divide a step, and end.

Under torchrun they are its processes, on all of its machines; else processes of this machine, which end with
this one however that ends.

Shapes: B rows, C columns, G categories.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from catvq.config import TrainingSettings
from catvq.errors import ConfigError, RankLost
from catvq.model.batch_part import telling_of_lost_ranks
from catvq.model.losses import LOSS_NAMES, LossTerms
from catvq.model.routing import HardRouting, SoftRouting
from catvq.model.vqvae import CategoricalVQVAE
from catvq.training.stage.divided_step import (
    StepOutline,
    differentiate,
    join,
    learnt,
    model_tensors,
    routing_tensors,
    serve,
    unpack,
)
from catvq.training.stage.objective import CodeCentroids, ObjectiveWeights

STEP_TIMEOUT = timedelta(
    minutes=10
)  # of a rank that is there and does not answer; a dead one is known at once


def count_ranks(training: TrainingSettings, device: torch.device) -> int:
    """How many processes compute a run's steps.

    Raises:
        ConfigError: Others are asked for than there are.
    """
    wanted, there = training.devices, 1
    if wanted == 1:
        return 1
    if dist.is_torchelastic_launched():
        there = int(os.environ["WORLD_SIZE"])
        if wanted not in {"all", there}:
            raise ConfigError(f"devices is {wanted}, and torchrun has started {there} processes")
    elif device.type == "cuda":
        there = torch.cuda.device_count()
        if wanted != "all" and wanted > there:
            raise ConfigError(f"devices is {wanted}, and this machine has {there} GPUs")
    return there if wanted == "all" else wanted


class Ranks:
    """The processes of a run, of which this one is rank 0; they begin to load torch at once.

    Args:
        number: Of all of them, at least 2.
    """

    def __init__(self, number: int) -> None:
        self._threads = torch.get_num_threads()
        self._where: dict[str, Any] = {}
        self._others: list[subprocess.Popen[bytes]] = []
        self._close: Callable[[], object] = _dismiss
        if dist.is_torchelastic_launched():
            join(STEP_TIMEOUT)
            return
        self._threads = max(1, self._threads // number)
        directory = tempfile.mkdtemp()
        self._where = {"init_method": f"file://{directory}/ranks", "rank": 0, "world_size": number}
        self._others = [self._start(rank) for rank in range(1, number)]
        self._close = weakref.finalize(self, _end, self._others, directory)

    def model_terms(
        self,
        features: Tensor,
        model: CategoricalVQVAE,
        routing: SoftRouting | HardRouting,
        weights: ObjectiveWeights,
        *,
        columns_per_feature: float = 1.0,
        cells: Tensor | None = None,
    ) -> tuple[LossTerms, CodeCentroids]:
        """The objective's `model_terms`, computed by all ranks, as is the gradient of the total.

        Raises:
            RankLost: A process does not answer.
        """
        if not dist.is_initialized():
            self._meet()
        inputs = learnt(model, weights)
        if isinstance(routing, SoftRouting):
            inputs.append(routing.assignment)
            routing = SoftRouting(routing.assignment.detach().requires_grad_())
        sent = [*model_tensors(model, weights), *routing_tensors(routing), features]
        sent += [] if cells is None else [cells]
        is_on_gpu = features.device.type == "cuda"
        outline = StepOutline(
            shape=model.shape,
            weights=weights,
            columns_per_feature=columns_per_feature,
            is_hard=isinstance(routing, HardRouting),
            device=features.device.type,
            random=torch.cuda.get_rng_state() if is_on_gpu else torch.get_rng_state(),
            sizes=[tensor.shape for tensor in sent],
        )
        with telling_of_lost_ranks():
            dist.broadcast_object_list([outline], 0)
            dist.broadcast(torch.cat([tensor.detach().flatten() for tensor in sent]), 0)
        threads = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            numbers, centroids = differentiate(outline, model, routing, features, cells)
        finally:
            torch.set_num_threads(threads)
        with telling_of_lost_ranks():
            dist.reduce(numbers, 0)
        terms, *gradients = unpack(numbers, [torch.Size([len(LOSS_NAMES)]), *(own.shape for own in inputs)])
        total, *others = terms
        total = _Known.apply(total, gradients, *inputs)  # type: ignore[no-untyped-call]
        return LossTerms(total, *others), centroids

    def close(self) -> None:
        """End the other processes, or let those of torchrun go on."""
        self._close()

    def _meet(self) -> None:
        for other in self._others:
            if other.stdout is not None and not other.stdout.readline():
                raise RankLost("a process that computes a part of each step did not start")
        join(STEP_TIMEOUT, **self._where)

    def _start(self, rank: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", __name__, json.dumps(self._where | {"rank": rank})]
        own = {
            "LOCAL_RANK": str(rank),
            "OMP_NUM_THREADS": str(self._threads),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | own)


class _Known(torch.autograd.Function):
    """A number whose gradient was computed with it."""

    @staticmethod
    def forward(context: Any, number: Tensor, gradients: Sequence[Tensor], *_: Tensor) -> Tensor:
        context.gradients = gradients
        return number.clone()

    @staticmethod
    def backward(context: Any, slope: Tensor) -> Any:
        return None, None, *(slope * gradient for gradient in context.gradients)


def _dismiss() -> None:
    """Let the processes of torchrun leave `serve`."""
    with telling_of_lost_ranks():
        dist.broadcast_object_list([None], 0)
    dist.destroy_process_group()


def _end(others: Sequence[subprocess.Popen[bytes]], directory: str) -> None:
    """End the processes that this one has started, which keep nothing."""
    for other in others:
        other.kill()
        other.communicate()
    shutil.rmtree(directory)
    if dist.is_initialized():
        dist.destroy_process_group()


def _end_with_rank_0() -> None:
    """End this process when rank 0, which alone can write to it, has ended."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # rank 0 may have to save the run first
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_rank_0, daemon=True).start()
    sys.stdout.write("here\n")  # rank 0 waits for it
    sys.stdout.flush()
    serve(**json.loads(sys.argv[1]))
