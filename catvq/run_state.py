"""What a training run reports after each epoch, as plain values."""

from dataclasses import asdict, dataclass
from typing import Any

from catvq.metrics import AssignmentSummary, CodebookSummary


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
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    temperature: float | None
    losses: dict[str, float | None]
    assignment: AssignmentSummary
    codebook: CodebookSummary | None

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, ready for JSON."""
        return asdict(self)
