"""A step's gradient, computed in parts by several processes: what rank 0 sends, and what each rank computes.

Only rank 0 has the run: rows, assignment, optimisers, random state. The other ranks keep nothing; with every
step they get all that its gradient depends on. So whatever a run does besides gradients is as in one process,
and a lost rank takes nothing with it.

Shapes: B rows, C columns, G categories.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from catvq.model.batch_part import BatchPart, telling_of_lost_ranks
from catvq.model.routing import HardRouting, SoftRouting
from catvq.model.vqvae import CategoricalVQVAE, ModelShape
from catvq.training.stage.objective import CodeCentroids, ObjectiveWeights, model_terms

IDLE = timedelta(days=3650)  # how long a rank waits for a step: rank 0 also starts, validates and freezes
LOOPBACK = socket.if_indextoname(1)


@dataclass(frozen=True)
class StepOutline:
    """What a step is like, sent ahead of its numbers.

    Attributes:
        shape: Of the model.
        weights: How much each term counts.
        columns_per_feature: As for `model_terms`.
        is_hard: Whether the routing is.
        device: "cpu" or "cuda".
        random: State of the device's generator.
        sizes: Of the numbers, one tensor after the other: `model_tensors`, `routing_tensors`, features, and
            cells if any.
    """

    shape: ModelShape
    weights: ObjectiveWeights
    columns_per_feature: float
    is_hard: bool
    device: str
    random: Tensor
    sizes: Sequence[torch.Size]


def join(timeout: timedelta, **where: Any) -> None:
    """Meet the other ranks.

    Args:
        timeout: How long to wait for them, now and in every step.
        where: As for `init_process_group`; torchrun's environment says it when not given.

    Raises:
        RankLost: They do not come.
    """
    if where:  # all are on this machine
        os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    with telling_of_lost_ranks():
        dist.init_process_group(backend, timeout=timeout, **where)


def serve(**where: Any) -> None:
    """Compute a part of every step until rank 0 is done: what all other ranks do.

    Args:
        where: As for `join`.
    """
    join(IDLE, **where)
    model: CategoricalVQVAE | None = None
    while (outline := _next_outline()) is not None:
        device = torch.device(outline.device)
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
        if model is None or model.shape != outline.shape:
            model = CategoricalVQVAE(outline.shape).to(device).train()
        numbers = torch.empty(sum(size.numel() for size in outline.sizes), device=device)
        dist.broadcast(numbers, 0)
        given = iter(unpack(numbers, outline.sizes))
        with torch.no_grad():
            for own in model_tensors(model, outline.weights):
                own.copy_(next(given))
        if outline.is_hard:
            routing: SoftRouting | HardRouting = HardRouting(
                next(given).long(), next(given), outline.shape.num_features
            )
        else:
            routing = SoftRouting(next(given).requires_grad_())
        if device.type == "cuda":
            torch.cuda.set_rng_state(outline.random)
        else:
            torch.set_rng_state(outline.random)
        computed, _ = differentiate(outline, model, routing, next(given), next(given, None))
        dist.reduce(computed, 0)
    dist.destroy_process_group()


def model_tensors(model: CategoricalVQVAE, weights: ObjectiveWeights) -> list[Tensor]:
    """All of a model that gradients depend on."""
    return [*learnt(model, weights), model.codebooks.codes, model.codebooks.code_mask]


def routing_tensors(routing: SoftRouting | HardRouting) -> list[Tensor]:
    """All of a routing that gradients depend on."""
    return [routing.assignment] if isinstance(routing, SoftRouting) else [routing.index, routing.mask]


def learnt(model: CategoricalVQVAE, weights: ObjectiveWeights) -> list[Tensor]:
    """The parameters that have a gradient: those of the partial decoders only where their term counts."""
    named = model.named_parameters()
    return [own for name, own in named if weights.informativeness or not name.startswith("partial_")]


def differentiate(
    outline: StepOutline,
    model: CategoricalVQVAE,
    routing: SoftRouting | HardRouting,
    features: Tensor,
    cells: Tensor | None,
) -> tuple[Tensor, CodeCentroids]:
    """Compute this rank's part of a step.

    Args:
        outline: Of the step.
        model: In training.
        routing: Its assignment, if it has one, requires a gradient.
        features: float32 [B, C], of the whole batch.
        cells: float32 [B, C], of the whole batch.

    Returns:
        All terms, and the gradients of `learnt` and of the assignment, one after the other and each of the
        part's rows; and the centroids of the whole batch.
    """
    part = BatchPart.of_rank(dist.get_rank(), dist.get_world_size(), len(features))
    rows = slice(part.first, part.last)
    terms, centroids = model_terms(
        features[rows],
        model,
        routing,
        outline.weights,
        columns_per_feature=outline.columns_per_feature,
        cells=None if cells is None else cells[rows],
        part=part,
    )
    inputs = learnt(model, outline.weights) + ([] if outline.is_hard else routing_tensors(routing))
    gradients = torch.autograd.grad(part.share * terms.total, inputs)
    return torch.cat([part.share * terms.stacked(), *(own.flatten() for own in gradients)]), centroids


def unpack(numbers: Tensor, sizes: Sequence[torch.Size]) -> list[Tensor]:
    """Tensors of these sizes that were put one after the other."""
    parts = torch.split(numbers, [size.numel() for size in sizes])
    return [part.view(size) for part, size in zip(parts, sizes, strict=True)]


def _next_outline() -> StepOutline | None:
    sent: list[StepOutline | None] = [None]
    dist.broadcast_object_list(sent, 0)
    return sent[0]
