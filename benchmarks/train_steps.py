"""How fast training steps are, beside a loop over categories and bare matrix products: `make bench-train`.

Each measurement has a process of its own; the least of many steps counts, as others may use the machine.
Steps of the core are those of a job: static, in hard groups, and learnable, by a soft assignment that
learns. The reference: a straightforward module for each category, one after the
other, of the same sizes.
"""

import argparse
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from catvq.config import RunConfig
from catvq.grouping.categories import Categories
from catvq.model.sizes import resolve_shape
from catvq.training.stage.build import build_learner

SHAPES = [(60, 8, 256), (298, 8, 256), (298, 40, 256), (298, 8, 1024), (1000, 8, 1024), (1000, 40, 1024)]
ROWS = 100_000  # that the automatic sizes suppose
PEAK_SIDE = {"cpu": 2048, "cuda": 8192}  # of the matrices whose product is the device's peak
KINDS = ("naive", "static", "learnable")
WARM_UP = 5


def main() -> None:
    """Print a row for each shape: milliseconds of a step, ratios, and the memory of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--shapes", type=int, default=len(SHAPES), help="of the table, the first so many")
    arguments = parser.parse_args()
    device, steps = arguments.device, arguments.steps
    print(f"{device}, torch {torch.__version__}, {torch.get_num_threads()} threads, least of {steps} steps\n")
    print("| features | categories | batch | " + " | ".join(f"{kind}, ms" for kind in KINDS), end=" | ")
    print(
        "naive / static | learnable / static | static, steps/s | of the peak | MiB: "
        + ", ".join(KINDS)
        + " |"
    )
    print("|" + "---|" * 11)
    for shape in SHAPES[: arguments.shapes]:
        measured = {kind: _alone(measure, kind, shape, device, steps) for kind in KINDS}
        peak = _alone(measure_peak, device)
        naive, static, learnable = (measured[kind][0] for kind in KINDS)
        cells = [str(size) for size in shape] + [
            f"{seconds * 1e3:.1f}" for seconds in (naive, static, learnable)
        ]
        cells += [f"{naive / static:.1f}", f"{learnable / static:.2f}", f"{1 / static:.0f}"]
        cells += [f"{measured['static'][2] / static / peak:.0%} of {peak / 1e9:.0f} GFLOP/s"]
        cells += [" ".join(f"{measured[kind][1]:.0f}" for kind in KINDS)]
        print("| " + " | ".join(cells) + " |", flush=True)


def measure(kind: str, shape: tuple[int, int, int], device: str, steps: int) -> tuple[float, float, int]:
    """Seconds of a step, MiB at most, and the operations of a step's matrix products."""
    features, categories, batch = shape
    torch.manual_seed(0)
    grouping = np.arange(features) % categories
    step = (
        naive_step(grouping, device)
        if kind == "naive"
        else core_step(grouping, device, is_learnable=kind == "learnable")
    )
    rows = torch.randn(batch, features, device=device)
    for _ in range(WARM_UP):
        step(rows)
    with FlopCounterMode(display=False) as counter:
        step(rows)
    taken = [_seconds(lambda: step(rows), device) for _ in range(steps)]
    return min(taken), _peak_memory(device), counter.get_total_flops()


def measure_peak(device: str) -> float:
    """Operations a second of a large product of matrices, the best of ten."""
    side = PEAK_SIDE[torch.device(device).type]
    left, right = torch.randn(2, side, side, device=device)
    return 2 * side**3 / min(_seconds(lambda: left @ right, device) for _ in range(10))


def core_step(grouping: np.ndarray, device: str, *, is_learnable: bool) -> Callable[[Tensor], object]:
    """A step of the core, by default settings."""
    names = tuple(f"c{category}" for category in range(grouping.max() + 1))
    allowed = torch.ones(len(grouping), len(names), dtype=torch.bool)
    categories = Categories(names, grouping=grouping, allowed=allowed, resting=allowed.float().numpy())
    families = torch.ones(len(grouping), 1, device=device)
    learner = build_learner(
        RunConfig(), categories, family_one_hot=families, rows=ROWS, device=torch.device(device)
    )
    if not is_learnable:
        learner.harden()
    return lambda rows: learner.step(rows, progress=0.0)


class NaiveCategory(nn.Module):
    """Encoder and codebooks of one category: level by level the nearest code of what is left."""

    def __init__(self, members: Tensor, *, embedding: int, latent: int, sizes: list[int]) -> None:
        super().__init__()
        self.register_buffer("members", members)
        self.linear = nn.Linear(len(members), latent)
        self.hidden, self.head = nn.Linear(len(members), embedding), nn.Linear(embedding, latent)
        self.codebooks = nn.ModuleList([nn.Embedding(size, latent) for size in sizes])

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Quantised latents that pass the gradient straight through, and the loss of the codes."""
        own = rows[:, self.members]
        latents = self.linear(own) + self.head(F.relu(self.hidden(own)))
        quantized = torch.zeros_like(latents)
        for codebook in self.codebooks:
            codes = torch.cdist(latents.detach() - quantized, codebook.weight).argmin(dim=1)
            quantized = quantized + codebook(codes)
        loss = (latents - quantized.detach()).square().mean() + (latents.detach() - quantized).square().mean()
        return latents + (quantized - latents).detach(), loss


class Naive(nn.Module):
    """A module for each category, and a decoder that all share."""

    def __init__(self, grouping: np.ndarray) -> None:
        super().__init__()
        members = [torch.from_numpy(np.flatnonzero(grouping == g)) for g in range(grouping.max() + 1)]
        shape = resolve_shape(RunConfig(), grouping=grouping, num_categories=len(members), rows=ROWS)
        self.categories = nn.ModuleList(
            [
                NaiveCategory(
                    own,
                    embedding=shape.embedding_dim,
                    latent=shape.latent_dims[shape.levels * number],
                    sizes=list(shape.codebook_sizes[shape.levels * number :][: shape.levels]),
                )
                for number, own in enumerate(members)
            ]
        )
        width = sum(shape.latent_dims[:: shape.levels])
        self.linear = nn.Linear(width, len(grouping))
        self.hidden = nn.Linear(width, 2 * shape.hidden_dim)
        self.output = nn.Linear(2 * shape.hidden_dim, len(grouping))

    def forward(self, rows: Tensor) -> Tensor:
        """The loss of a batch."""
        found = [category(rows) for category in self.categories]
        latents = torch.cat([latents for latents, _ in found], dim=1)
        decoded = self.linear(latents) + self.output(F.gelu(self.hidden(latents)))
        return (decoded - rows).square().mean() + torch.stack([loss for _, loss in found]).mean()


def naive_step(grouping: np.ndarray, device: str) -> Callable[[Tensor], object]:
    """A step of the reference, in hard groups."""
    model = Naive(grouping).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)

    def step(rows: Tensor) -> None:
        optimizer.zero_grad()
        model(rows).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def _alone(function: Callable[..., Any], *arguments: object) -> Any:
    """Call in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _seconds(work: Callable[[], object], device: str) -> float:
    """How long it takes, until the device is done."""
    is_accelerator = torch.device(device).type == "cuda"
    if is_accelerator:
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    work()
    if is_accelerator:
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def _peak_memory(device: str) -> float:
    """MiB at most: of the process, torch and all, or allocated on an accelerator."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == "__main__":
    main()
