"""Where a training run stands: what it remembers between steps, and what it reports after each epoch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from catvq.grouping.merging import Join
from catvq.model.metrics import AssignmentSummary, CodebookSummary
from catvq.model.sizes import StreamSizes
from catvq.training.collapse import Collapse


@dataclass(frozen=True)
class Move:
    """A feature that changed its category.

    Attributes:
        feature: Its name.
        category: Name of the one that it left.
        into: Name of the one that it joined.
        epoch: Completed epochs when that was seen; 0 where the search for the assignment moved it.
    """

    feature: str
    category: str
    into: str
    epoch: int


@dataclass(frozen=True)
class RunState:
    """Where a run stands.

    Attributes:
        epoch: Completed epochs.
        epochs: Epochs in all.
        step: Completed optimiser steps.
        steps: Optimiser steps in all.
        temperature: Of the assignment; None before the first step and in static mode.
        losses: Mean of each term over the last epoch, unweighted but for "total", and "validation", the
            reconstruction error on validation rows; empty before the first epoch.
        assignment: Summary of the soft assignment.
        codebook: Health over the last epoch; None before the first.
        collapses: All that were noticed so far, in the order of their onset.
        settled_epoch: Completed epochs when the assignment was made hard ahead of time, since it had
            settled; None where it was not.
        joins: Of surplus categories, so far.
        moves: Of features from the start on, in their order.
        best_epoch: Completed epochs when the error on validation rows was least in the hard grouping; 0 is
            the start; None after a feature has moved until the grouping is fixed, and without such rows.
        spread: How far rows are moved that the model starts from, see `smoothing`; None before the start.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    temperature: float | None
    losses: dict[str, float | None]
    assignment: AssignmentSummary
    codebook: CodebookSummary | None
    collapses: list[Collapse]
    settled_epoch: int | None
    joins: list[Join]
    moves: list[Move]
    best_epoch: int | None
    spread: float | None

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class SoftToHardGap:
    """What hardening cost: reconstruction error just before and after, on the named rows.

    Attributes:
        soft_error: Under the soft assignment.
        hard_error: Under the hard one, before any further training.
        rows: "validation", or "train" where no validation rows were kept.
        epoch: Completed epochs at that moment.
    """

    soft_error: float
    hard_error: float
    rows: str
    epoch: int


@dataclass
class RunProgress:
    """What a run remembers besides its tensors; it changes as the run goes on.

    Attributes:
        summary: Of the soft assignment at the last epoch's end.
        start_sizes: Features of each category, by its name, where the run started.
        epoch: Completed epochs.
        step_in_epoch: Completed steps of the present one.
        seconds: Spent on the start and on training, over all attempts.
        is_stopped_early: No further epoch is wanted, once there is one.
        is_hardened: The grouping is fixed.
        spread: As in `RunState`.
        best_error: Least error on validation rows in the hard grouping.
        best_epoch: Completed epochs then, as in `RunState`.
        improved_error: `best_error` when it last fell by enough for a run to go on.
        improved_epoch: Completed epochs then.
        held_temperature: Taken instead of the schedule's; None follows the schedule.
        given_sizes: Of the model that the run goes on from; None where it starts its own.
        search_steps: Steps that the search takes or took, before the model's.
        search: How the search's restarts compare, as plain values; None until it is done, and without one.
        start: Where the assignment starts and why there, as plain values, see `StartReport`.
        losses: As in `RunState`.
        codebook: As in `RunState`.
        gap: None until hardened, and in static mode.
        collapses: As in `RunState`.
        quiet_epochs: Completed ones of the model's training since a feature last changed its category.
        settled_epoch: As in `RunState`.
        joins: As in `RunState`.
        moves: As in `RunState`.
    """

    summary: AssignmentSummary
    start_sizes: dict[str, int]
    epoch: int = 0
    step_in_epoch: int = 0
    seconds: float = 0.0
    is_stopped_early: bool = False
    is_hardened: bool = False
    spread: float | None = None
    best_error: float | None = None
    best_epoch: int | None = None
    improved_error: float | None = None
    improved_epoch: int | None = None
    held_temperature: float | None = None
    given_sizes: StreamSizes | None = None
    search_steps: int = 0
    search: dict[str, Any] | None = None
    start: dict[str, Any] | None = None
    losses: dict[str, float | None] = field(default_factory=dict)
    codebook: CodebookSummary | None = None
    gap: SoftToHardGap | None = None
    collapses: list[Collapse] = field(default_factory=list)
    quiet_epochs: int = 0
    settled_epoch: int | None = None
    joins: list[Join] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunProgress":
        """The inverse of `to_dict`."""
        nested = {
            "summary": AssignmentSummary,
            "codebook": CodebookSummary,
            "gap": SoftToHardGap,
            "given_sizes": StreamSizes,
        }
        plain = {k: nested[k](**v) if k in nested and v is not None else v for k, v in values.items()}
        listed = {"collapses": Collapse, "joins": Join, "moves": Move}
        return cls(**plain | {k: [kind(**each) for each in values[k]] for k, kind in listed.items()})
