"""Works out, without training and without torch, what a job would do: the answer of a dry run."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.requests.estimate import SEARCH_STEPS, Estimate, RunSize, estimate, guess_categories
from app.requests.validation import (
    FieldError,
    InvalidPlanError,
    RowCounts,
    count_rows,
    find_errors,
    keeps_families,
)
from worker.contract.job_config import JobConfig
from worker.store.records import DatasetRecord

__all__ = ["FieldError", "InvalidPlanError", "Plan", "resolve_plan"]

# The recipe, equal to the core's (a test compares them).
RECIPE: dict[str, Any] = {
    "temperature_start": 1.0,
    "temperature_end": 0.1,
    "temperature_schedule": "exponential",
    "assignment_lr": 0.02,
    "orthogonality_weight": 0.1,
}
FREEZE_FRACTION = 0.4
MIN_BATCH_SIZE, MAX_BATCH_SIZE, BATCHES_PER_EPOCH = 32, 1024, 16
STEPS, MIN_EPOCHS, MAX_EPOCHS = 600, 10, 100


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a job would do.

    Args:
        config: The job's configuration with every null resolved, and every "auto" that needs no look at
            the data; the sections are those of `JobConfig`.
        search_steps: Spent on finding the assignment before the first epoch.
        steps: In all.
        estimate: Rough; it says itself what it rests on.
    """

    config: dict[str, Any]
    rows: RowCounts
    steps_per_epoch: int
    search_steps: int
    steps: int
    estimate: Estimate
    warnings: list[str]

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON."""
        return asdict(self)


def resolve_plan(
    config: JobConfig,
    dataset: DatasetRecord,
    *,
    start_groups: Mapping[str, Sequence[str]] | None = None,
    devices: Sequence[str] = ("cpu",),
) -> Plan:
    """Check a configuration against its dataset and fill in what can be.

    Args:
        start_groups: With init "model", the groups of that model.
        devices: What the workers have, such as "cpu" and "cuda".

    Raises:
        InvalidPlanError: The configuration cannot be trained on the dataset; it holds every mistake.
    """
    errors = find_errors(config, dataset, start_groups)
    if errors:
        raise InvalidPlanError(errors)
    rows = count_rows(config, dataset.rows)
    resolved = _resolve(config, rows, devices)
    batch_size, device = resolved["training"]["batch_size"], resolved["training"]["device"]
    steps_per_epoch = rows.train // batch_size
    training_steps = resolved["training"]["epochs"] * steps_per_epoch
    is_searched = _may_move(config, resolved) and resolved["assignment"]["estimator"] == "mirror"
    search_steps = SEARCH_STEPS if is_searched else 0
    size = RunSize(
        rows=dataset.rows,
        features=len(dataset.features),
        categories=len(start_groups or ())
        or guess_categories(config, len(dataset.features), len(dataset.families)),
        batch_size=batch_size,
        search_steps=search_steps,
        training_steps=training_steps,
        device=device,
    )
    return Plan(
        config=resolved,
        rows=rows,
        steps_per_epoch=steps_per_epoch,
        search_steps=search_steps,
        steps=search_steps + training_steps,
        estimate=estimate(config, size),
        warnings=list(_warnings(config, rows)),
    )


def _resolve(config: JobConfig, rows: RowCounts, devices: Sequence[str]) -> dict[str, Any]:
    resolved = config.model_dump(mode="json")
    model, assignment, training = resolved["model"], resolved["assignment"], resolved["training"]
    if model["compression_ratios"] is None:
        model["compression_ratios"] = [1.0] * model["levels"]
    assignment["per_family"] = keeps_families(config)
    if assignment["init"] == "auto" and assignment["mode"] == "static":
        assignment["init"] = "clustering"
    if assignment["estimator"] == "auto":
        assignment["estimator"] = _auto_estimator(config)
    assignment |= {name: value for name, value in RECIPE.items() if assignment[name] is None}
    if training["batch_size"] == "auto":
        training["batch_size"] = _batch_size(rows.train)
    training["epochs"] = _epochs(config, rows.train // training["batch_size"])
    assignment["freeze_after_epochs"] = _freeze_after_epochs(config, training["epochs"])
    if training["device"] == "auto":
        training["device"] = "cuda" if any(device.startswith("cuda") for device in devices) else "cpu"
    return resolved


def _may_move(config: JobConfig, resolved: Mapping[str, Any]) -> bool:
    """Whether the assignment may leave its start, as far as can be told without the data."""
    wanted = config.model.categories
    has_choice = wanted != 1 if not isinstance(wanted, dict) else max(wanted.values()) > 1
    has_choice |= config.assignment.surplus_categories > 0
    return has_choice and resolved["assignment"]["freeze_after_epochs"] > 0


def _auto_estimator(config: JobConfig) -> str:
    """Mirror descent from one start that was asked for, unless a setting of the scheduled form was given."""
    assignment = config.assignment
    if assignment.temperature_schedule == "adaptive":
        return "mirror"
    given = (
        assignment.temperature_schedule,
        assignment.temperature_start,
        assignment.temperature_end,
        assignment.assignment_lr,
    )
    return "mirror" if given == (None,) * len(given) and assignment.init != "auto" else "softmax"


def _epochs(config: JobConfig, steps_per_epoch: int) -> int:
    if config.training.epochs != "auto":
        return config.training.epochs
    return min(max(round(STEPS / steps_per_epoch), MIN_EPOCHS), MAX_EPOCHS)


def _freeze_after_epochs(config: JobConfig, epochs: int) -> int:
    wanted = config.assignment.freeze_after_epochs
    if config.assignment.mode == "static":
        return 0
    if wanted == "auto":
        return max(1, round(FREEZE_FRACTION * epochs))
    return epochs if wanted is None else min(wanted, epochs)


def _batch_size(rows: int) -> int:
    """A power of two near a sixteenth of the rows."""
    nearest = 1 << max(0, round(math.log2(max(rows / BATCHES_PER_EPOCH, 1.0))))
    return min(max(nearest, MIN_BATCH_SIZE), MAX_BATCH_SIZE, rows)


def _warnings(config: JobConfig, rows: RowCounts) -> Iterator[str]:
    model, assignment = config.model, config.assignment
    if rows.validation == 0:
        yield "no rows are held out for validation: losses and the soft-to-hard gap are of training rows"
    if model.codebook_size != "auto" and model.codebook_size > rows.train:
        yield f"codebook_size {model.codebook_size} exceeds the {rows.train} training rows: codes stay unused"
    start = assignment.temperature_start or RECIPE["temperature_start"]
    end = assignment.temperature_end or RECIPE["temperature_end"]
    if assignment.mode == "learnable" and end > start:
        yield f"the temperature rises from {start} to {end}: the assignment becomes softer, not harder"
    if assignment.freeze_after_epochs == 0 and assignment.mode == "learnable":
        yield "freeze_after_epochs is 0: the assignment is frozen as it starts, nothing of it is learnt"
