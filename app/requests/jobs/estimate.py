"""How much memory and time a run will roughly take, from its sizes alone.

Shapes: B rows of a batch, N rows, D columns, G categories, L levels, S = G * L streams, M hidden_dim,
H embedding_dim, K codebook_size, E latent_dim.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from catvq.config import RunConfig
from catvq.recipe import (
    CODES_PER_FEATURE,
    GRID_DESCRIPTORS,
    MAX_CODEBOOK_SIZE,
    MIN_CODEBOOK_SIZE,
    PARTIAL_HIDDEN_DIM,
    SCORER_HIDDEN_DIM,
    SEARCH_BATCH_SIZE,
    SEARCH_RESTARTS,
    SERIES_DESCRIPTORS,
    choose_latent_dim,
    choose_sample_size,
)
from worker.store import DatasetRecord

FLOAT_BYTES = 4
COPIES_OF_SAMPLE = (
    8  # cleaned, in double precision, and what the start needs meanwhile; a short table's is itself
)
BYTES_PER_ROW = 64  # order, split and region of each row; the values of a long table stay in files
COPIES_OF_WEIGHTS = 4  # value, gradient and the optimiser's two averages
COPIES_OF_ACTIVATIONS = 3  # forward, kept for the gradient, gradient
PROCESS_BYTES = 700 << 20  # measured: interpreter, torch and its compiler, before the first large tensor

# Measured for small and middling models; a machine may well be half or twice as fast.
FLOPS_PER_SECOND = {"cpu": 3e10, "cuda": 5e12}
STEP_OVERHEAD_S = {"cpu": 0.008, "cuda": 0.006}
RANK_BYTES = 250 << 20  # measured: of each further process, before the first large tensor
START_S = 4.0  # a process that loads torch, the cleaning, the freeze
FLOPS_PER_WEIGHT = 6  # multiply and add, forward once and backward twice


# A setting drives the memory where half of it would save this part of it.
DRIVING_SHARE = 0.1
SIZES = {  # as users call them
    "rows": "rows",
    "features": "columns",
    "model.categories": "categories",
    "training.batch_size": "batch_size",
}
ESTIMATOR = "assignment.estimator"


@dataclass(frozen=True)
class Estimate:
    """A rough forecast.

    Args:
        basis: What it rests on.
        driven_by: The settings that most of the memory depends on, with their values; the first most.
    """

    memory_bytes: int
    seconds: float
    basis: str
    driven_by: dict[str, int | str]


@dataclass(frozen=True, kw_only=True)
class RunSize:
    """What a run's cost depends on beside its configuration.

    Args:
        columns: That features become: values of categories, descriptors of channels.
    """

    rows: int
    features: int
    columns: int
    categories: int
    batch_size: int
    search_steps: int
    training_steps: int
    device: str
    devices: int


def count_columns(dataset: DatasetRecord) -> int:
    """The columns that a dataset's features become."""
    widths = {
        column["name"]: len(column["values"]) for column in dataset.columns if column["type"] == "categorical"
    }
    descriptors = {"series": SERIES_DESCRIPTORS, "grid": GRID_DESCRIPTORS}
    for kind in dataset.kinds:
        for channel in kind["channels"]:
            widths[f"{kind['family']}/{channel}"] = descriptors[kind["kind"]]
    return sum(widths.get(name, 1) for name in dataset.features)


def guess_categories(config: RunConfig, features: int, families: int) -> int:
    """The number of categories; for "auto", which only the data can tell, a middling one."""
    wanted = config.model.categories
    if isinstance(wanted, Mapping):
        return sum(wanted.values())
    if isinstance(wanted, int):
        return wanted + config.assignment.surplus_categories
    if config.assignment.groups is not None:
        return len(config.assignment.groups)
    middling = max(families, 2, round(math.sqrt(features)))
    return min(features, middling + config.assignment.surplus_categories)


def estimate(config: RunConfig, size: RunSize) -> Estimate:
    """Forecast a run's memory and duration."""
    kind = size.device.split(":")[0]
    seconds = START_S + sum(
        steps * (STEP_OVERHEAD_S[kind] + cost.flops / FLOPS_PER_SECOND[kind])
        for steps, cost in _stages(config, size)
    )
    return Estimate(
        memory_bytes=_memory_bytes(config, size),
        seconds=round(seconds, 1),
        basis=f"sizes alone, with {size.categories} categories on {size.device}; good to a factor of about 3",
        driven_by=_find_drivers(config, size),
    )


def _stages(config: RunConfig, size: RunSize) -> list[tuple[int, "_StepCost"]]:
    """Return what each stage takes in a step, with its number of steps."""
    stages = [(size.training_steps, _training_cost(config, size))]
    if size.search_steps:
        stages.append((size.search_steps, _search_cost(size)))
    return stages


def _memory_bytes(config: RunConfig, size: RunSize) -> int:
    sample = COPIES_OF_SAMPLE * min(size.rows, choose_sample_size(size.columns)) * size.columns
    largest = max(cost.floats for _, cost in _stages(config, size))  # they come one after the other
    own = PROCESS_BYTES + BYTES_PER_ROW * size.rows + FLOAT_BYTES * (sample + largest)
    return own + (size.devices - 1) * (RANK_BYTES + FLOAT_BYTES * largest)


def _find_drivers(config: RunConfig, size: RunSize) -> dict[str, int | str]:
    """Return the settings that the memory depends on, by what half of each would save."""
    memory_bytes = _memory_bytes(config, size)
    values: dict[str, int | str] = {}
    saved: dict[str, int] = {}
    for name, field in SIZES.items():
        value = getattr(size, field)
        half = replace(size, **{field: max(1, value // 2)})
        values[name], saved[name] = value, memory_bytes - _memory_bytes(config, half)
    for field, value in _model_sizes(config, size).items():
        name = f"model.{field}"
        halved: dict[str, Any] = {field: max(1, value // 2), "compression_ratios": None}
        half_config = replace(config, model=replace(config.model, **halved))
        values[name], saved[name] = value, memory_bytes - _memory_bytes(half_config, size)
    if size.search_steps:
        unsearched = _memory_bytes(config, replace(size, search_steps=0))
        values[ESTIMATOR], saved[ESTIMATOR] = "mirror", memory_bytes - unsearched
    names = sorted(saved, key=saved.__getitem__, reverse=True)
    return {name: values[name] for name in names if saved[name] >= DRIVING_SHARE * memory_bytes}


def _model_sizes(config: RunConfig, size: RunSize) -> dict[str, int]:
    """Return the sizes of the model; those that the core will choose as for a middling category."""
    model = config.model
    width = size.features / size.categories
    codes = min(max(round(CODES_PER_FEATURE * width), MIN_CODEBOOK_SIZE), MAX_CODEBOOK_SIZE)
    given_codes, given_widths = zip(*model.sizes_of_levels(), strict=True)
    return {
        "levels": model.num_levels,
        "codebook_size": max(codes if size == "auto" else size for size in given_codes),
        "latent_dim": max(choose_latent_dim(width) if dim == "auto" else dim for dim in given_widths),
        "hidden_dim": model.hidden_dim,
        "embedding_dim": model.embedding_dim,
    }


@dataclass(frozen=True)
class _StepCost:
    flops: int
    floats: int  # kept in memory


def _training_cost(config: RunConfig, size: RunSize) -> _StepCost:
    sizes = _model_sizes(config, size)
    wide, narrow = sizes["hidden_dim"], sizes["embedding_dim"]
    latent_dim, codebook_size = sizes["latent_dim"], sizes["codebook_size"]
    streams = size.categories * sizes["levels"]
    first_layer = size.columns * (narrow + size.categories * latent_dim)
    # Soft: every category sees every feature, by weights that all share and by its own.
    routed = size.categories * size.columns * (narrow + latent_dim)
    inner = (
        size.categories * latent_dim * (narrow + size.columns)
        + streams * latent_dim * (codebook_size + PARTIAL_HIDDEN_DIM)
        + streams * PARTIAL_HIDDEN_DIM * size.columns
        + 2 * wide * (size.categories * latent_dim + size.columns)
    )
    per_row = streams * (codebook_size + 3 * latent_dim)
    per_row += 2 * (wide + size.categories * narrow + size.columns)
    return _StepCost(
        flops=FLOPS_PER_WEIGHT * (routed + inner) * size.batch_size,
        floats=COPIES_OF_WEIGHTS * (first_layer + inner)
        + COPIES_OF_ACTIVATIONS * (size.batch_size * per_row + routed),
    )


def _search_cost(size: RunSize) -> _StepCost:
    """Values and their visibility in, predictions out, for every restart and category."""
    networks = SEARCH_RESTARTS * size.categories
    weights = networks * 3 * size.columns * SCORER_HIDDEN_DIM
    per_row = networks * (2 * size.columns + 2 * SCORER_HIDDEN_DIM)
    batch_size = min(SEARCH_BATCH_SIZE, size.rows)
    return _StepCost(
        flops=FLOPS_PER_WEIGHT * weights * batch_size,
        floats=COPIES_OF_WEIGHTS * weights + COPIES_OF_ACTIVATIONS * batch_size * per_row,
    )
