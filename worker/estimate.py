"""How much memory and time a run will roughly take, from its sizes alone.

Shapes: B rows of a batch, N rows, D features, G categories, L levels, S = G * L streams, M hidden_dim,
H embedding_dim, K codebook_size, E latent_dim, R candidates.
"""

import math
from dataclasses import dataclass, replace

from worker.contract import JobConfig

# The core's own choices where the configuration says "auto"; the estimate takes their upper ends.
MAX_LATENT_DIM = 32
MAX_CODEBOOK_SIZE = 256
PARTIAL_HIDDEN_DIM = 32

# The core's search for the assignment, as far as it matters here (a test compares them).
SEARCH_STEPS = 800
RESTARTS = 5
SEARCH_BATCH_SIZE = 256
SCORER_HIDDEN_DIM = 48

# And its contest of starting groupings.
CONTEST_STEPS = 600
CONTEST_BATCH_SIZE = 128
CONTESTANTS = 5  # with init "auto", beside what a search finds
MAX_CONTEST_CODEBOOK_SIZE = 32
MAX_CONTEST_LATENT_DIM = 8
MAX_CONTEST_HIDDEN_DIM = 64
MAX_CONTEST_EMBEDDING_DIM = 32

FLOAT_BYTES = 4
COPIES_OF_TABLE = 4  # as stored, cleaned, and what cleaning needs meanwhile
COPIES_OF_WEIGHTS = 4  # value, gradient and the optimiser's two averages
COPIES_OF_ACTIVATIONS = 3  # forward, kept for the gradient, gradient
PROCESS_BYTES = 400 << 20  # interpreter and torch before the first tensor

# Measured for small and middling models; a machine may well be half or twice as fast.
FLOPS_PER_SECOND = {"cpu": 3e10, "cuda": 5e12}
STEP_OVERHEAD_S = {"cpu": 0.008, "cuda": 0.006}
START_S = 4.0  # a process that loads torch, the cleaning, the freeze
FLOPS_PER_WEIGHT = 6  # multiply and add, forward once and backward twice


@dataclass(frozen=True)
class Estimate:
    """A rough forecast; `basis` says what it rests on."""

    memory_bytes: int
    seconds: float
    basis: str


@dataclass(frozen=True, kw_only=True)
class RunSize:
    """What a run's cost depends on beside its configuration."""

    rows: int
    features: int
    categories: int
    batch_size: int
    search_steps: int
    candidates: int  # groupings that compete for the start; 1 starts without
    training_steps: int
    device: str


def guess_categories(config: JobConfig, features: int, families: int) -> int:
    """The number of categories; for "auto", which only the data can tell, a middling one."""
    wanted = config.model.categories
    if isinstance(wanted, dict):
        return sum(wanted.values())
    if isinstance(wanted, int):
        return wanted
    if config.assignment.groups is not None:
        return len(config.assignment.groups)
    return min(features, max(families, 2, round(math.sqrt(features))))


def estimate(config: JobConfig, size: RunSize) -> Estimate:
    """Forecast a run's memory and duration."""
    kind = size.device.split(":")[0]
    stages = [(size.training_steps, _training_cost(config, size))]
    if size.search_steps:
        stages.append((size.search_steps, _search_cost(size)))
    if size.candidates > 1:
        stages.append((CONTEST_STEPS, _contest_cost(config, size)))
    table = COPIES_OF_TABLE * size.rows * size.features
    floats = table + max(cost.floats for _, cost in stages)  # one after the other: the largest counts
    seconds = START_S + sum(
        steps * (STEP_OVERHEAD_S[kind] + cost.flops / FLOPS_PER_SECOND[kind]) for steps, cost in stages
    )
    return Estimate(
        memory_bytes=PROCESS_BYTES + FLOAT_BYTES * floats,
        seconds=round(seconds, 1),
        basis=f"sizes alone, with {size.categories} categories on {size.device}; good to a factor of about 3",
    )


@dataclass(frozen=True)
class _StepCost:
    flops: int
    floats: int  # kept in memory


@dataclass(frozen=True, kw_only=True)
class _ModelSize:
    """Of a VQ-VAE, or of several candidates' at once: categories are those of all of them together."""

    candidates: int
    categories: int
    streams: int
    features: int
    hidden_dim: int
    embedding_dim: int
    latent_dim: int
    codebook_size: int


def _model_size(config: JobConfig, size: RunSize) -> _ModelSize:
    model = config.model
    return _ModelSize(
        candidates=1,
        categories=size.categories,
        streams=size.categories * model.levels,
        features=size.features,
        hidden_dim=model.hidden_dim,
        embedding_dim=model.embedding_dim,
        latent_dim=model.latent_dim if model.latent_dim != "auto" else MAX_LATENT_DIM,
        codebook_size=model.codebook_size if model.codebook_size != "auto" else MAX_CODEBOOK_SIZE,
    )


def _training_cost(config: JobConfig, size: RunSize) -> _StepCost:
    return _model_cost(_model_size(config, size), size.batch_size)


def _contest_cost(config: JobConfig, size: RunSize) -> _StepCost:
    """All candidates are one model of as many times the categories, none of them larger than the job's."""
    own = _model_size(config, size)
    joint = replace(
        own,
        candidates=size.candidates,
        categories=size.candidates * own.categories,
        streams=size.candidates * own.streams,
        hidden_dim=min(own.hidden_dim, MAX_CONTEST_HIDDEN_DIM),
        embedding_dim=min(own.embedding_dim, MAX_CONTEST_EMBEDDING_DIM),
        latent_dim=min(own.latent_dim, MAX_CONTEST_LATENT_DIM),
        codebook_size=min(own.codebook_size, MAX_CONTEST_CODEBOOK_SIZE),
    )
    return _model_cost(joint, min(CONTEST_BATCH_SIZE, size.rows))


def _model_cost(model: _ModelSize, batch_size: int) -> _StepCost:
    wide, narrow = model.hidden_dim, model.embedding_dim
    first_layer = model.features * wide
    routed = model.categories * first_layer  # soft: every category sees every feature
    inner = (
        model.categories * wide * narrow
        + model.streams * model.latent_dim * (narrow + model.codebook_size + PARTIAL_HIDDEN_DIM)
        + model.streams * PARTIAL_HIDDEN_DIM * model.features
        + 2 * wide * (model.streams * model.latent_dim + model.candidates * model.features)
    )
    per_row = model.streams * (model.codebook_size + 3 * model.latent_dim + model.features)
    per_row += 2 * model.categories * (wide + narrow)
    return _StepCost(
        flops=FLOPS_PER_WEIGHT * (routed + inner) * batch_size,
        floats=COPIES_OF_WEIGHTS * (first_layer + inner)
        + COPIES_OF_ACTIVATIONS * (batch_size * per_row + routed),
    )


def _search_cost(size: RunSize) -> _StepCost:
    """Values and their visibility in, predictions out, for every restart and category."""
    networks = RESTARTS * size.categories
    weights = networks * 3 * size.features * SCORER_HIDDEN_DIM
    per_row = networks * (2 * size.features + 2 * SCORER_HIDDEN_DIM)
    batch_size = min(SEARCH_BATCH_SIZE, size.rows)
    return _StepCost(
        flops=FLOPS_PER_WEIGHT * weights * batch_size,
        floats=COPIES_OF_WEIGHTS * weights + COPIES_OF_ACTIVATIONS * batch_size * per_row,
    )
