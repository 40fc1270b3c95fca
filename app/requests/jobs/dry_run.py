"""Works out, without training and without torch, what a job would do: the answer of a dry run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from app.requests.jobs.devices import choose_device, count_devices
from app.requests.jobs.estimate import Estimate, RunSize, count_columns, estimate, guess_categories
from app.requests.jobs.start_weights import find_misfits
from app.requests.jobs.validation import FieldError, InvalidPlanError, find_errors, rows_of, select
from catvq.config import HeldOutPart, RunConfig
from catvq.recipe import SEARCH_STEPS, RowCounts, choose_batch_size, choose_epochs, count_rows, fill_in
from worker.store.records import DatasetRecord

__all__ = ["FieldError", "InvalidPlanError", "Plan", "resolve_plan"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a job would do.

    Args:
        config: The job's configuration with every null resolved, and every "auto" that needs no look at
            the data; the sections are those of `RunConfig`.
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
    config: RunConfig,
    dataset: DatasetRecord,
    *,
    start_groups: Mapping[str, Sequence[str]] | None = None,
    start_document: Mapping[str, Any] | None = None,
    held_out: Mapping[HeldOutPart, DatasetRecord] = MappingProxyType({}),
    devices: Sequence[str] = ("cpu",),
    found: Sequence[FieldError] = (),
) -> Plan:
    """Check a configuration against its dataset and fill in what can be.

    Args:
        start_groups: With init "model", the groups of that model.
        start_document: With take "weights", the document of that model.
        held_out: The datasets that validate or test.
        devices: What the workers have, such as "cpu" and "cuda:0".
        found: What a look at the data told already.

    Raises:
        InvalidPlanError: The configuration cannot be trained on the dataset; it holds every mistake.
    """
    errors = [*find_errors(config, dataset, start_groups, held_out), *found]
    if start_document is not None:
        errors += find_misfits(config, select(config, dataset), start_document)
    dataset = select(config, dataset)
    if errors:
        raise InvalidPlanError(errors)
    rows = count_rows(config.training, dataset.rows, rows_of(held_out))
    resolved = fill_in(config, rows.train)
    batch_size = choose_batch_size(config.training, rows.train)
    epochs = choose_epochs(config.training, rows.train)
    device, number = choose_device(config.training, devices), count_devices(config.training, devices)
    is_searched = _may_move(resolved) and resolved.assignment.estimator == "mirror"
    size = RunSize(
        rows=rows.train + rows.validation + rows.test,
        features=len(dataset.features),
        columns=count_columns(dataset),
        categories=len(start_groups or ())
        or guess_categories(config, len(dataset.features), len(dataset.families)),
        batch_size=batch_size,
        search_steps=SEARCH_STEPS if is_searched else 0,
        training_steps=epochs * (rows.train // batch_size),
        device=device,
        devices=number,
    )
    training = replace(resolved.training, device=device, devices=number)
    return Plan(
        config=replace(resolved, training=training).to_dict(),
        rows=rows,
        steps_per_epoch=rows.train // batch_size,
        search_steps=size.search_steps,
        steps=size.search_steps + size.training_steps,
        estimate=estimate(resolved, size),
        warnings=list(_warnings(config, resolved, rows)),
    )


def _may_move(config: RunConfig) -> bool:
    """Whether the assignment may leave its start, as far as is known without the data."""
    wanted = config.model.categories
    has_choice = wanted != 1 if not isinstance(wanted, Mapping) else max(wanted.values()) > 1
    has_choice |= config.assignment.surplus_categories > 0
    return has_choice and config.assignment.freeze_after_epochs != 0


def _warnings(given: RunConfig, resolved: RunConfig, rows: RowCounts) -> Iterator[str]:
    model, assignment = given.model, given.assignment
    if rows.validation == 0:
        yield "no rows are held out for validation: losses and the soft-to-hard gap are of training rows"
    if model.codebook_size != "auto" and model.codebook_size > rows.train:
        yield f"codebook_size {model.codebook_size} exceeds the {rows.train} training rows: codes stay unused"
    start, end = resolved.assignment.temperature_start, resolved.assignment.temperature_end
    if assignment.mode == "learnable" and start is not None and end is not None and end > start:
        yield f"the temperature rises from {start} to {end}: the assignment becomes softer, not harder"
    if assignment.freeze_after_epochs == 0 and assignment.mode == "learnable":
        yield "freeze_after_epochs is 0: the assignment is frozen as it starts, nothing of it is learnt"
