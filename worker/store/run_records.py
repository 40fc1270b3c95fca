"""Frozen records of a run's history: progress, assignments, metrics, events and checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The progress that a running job records after an epoch.

    Args:
        epoch: Completed epochs; 0 for the state before the first.
        is_finished: Whether no epoch is left; a run may end early.
        matrix: float32 [features, categories], the soft assignment of every uploaded feature.
        categories: Names of the columns.
        metrics: One value per name, finite or not; empty at epoch 0.
        settled_epoch: The epoch at which the assignment was made hard early; None otherwise.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    temperature: float | None
    losses: Mapping[str, float | None]
    assignment: Mapping[str, Any]
    codebook: Mapping[str, Any]
    eta_seconds: float | None
    matrix: NDArray[np.float32]
    categories: list[str]
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    is_finished: bool = False
    settled_epoch: int | None = None


@dataclass(frozen=True, kw_only=True)
class AssignmentRecord:
    """The soft assignment after an epoch; matrix is float32 [features, categories]."""

    epoch: int
    temperature: float | None
    categories: list[str]
    matrix: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class MetricRecord:
    """The metrics of one epoch."""

    epoch: int
    step: int
    time: datetime
    values: dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class EventRecord:
    """An event of a job; numbered from 1."""

    seq: int
    time: datetime
    type: str
    data: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class CheckpointRecord:
    """A state from which a job can be resumed; digest is SHA-256 of the file."""

    epoch: int
    step: int
    file_name: str
    digest: str
    size_bytes: int
    created_at: datetime
