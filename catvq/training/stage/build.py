"""Builds what a stage trains from the configuration and the starting categories, seeded.

Shapes: D' active features, G categories, F families.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catvq.config import RunConfig
from catvq.config.assignment import TEMPERATURE_END, TEMPERATURE_SCHEDULE, TEMPERATURE_START
from catvq.features.owners import ColumnOwners
from catvq.grouping.categories import Categories
from catvq.model.assignment import CategoryAssignment
from catvq.model.sizes import StreamSizes, resolve_shape
from catvq.model.temperature import TemperatureSchedule
from catvq.model.vqvae import CategoricalVQVAE
from catvq.training.stage.trainer import Learner


def build_learner(
    config: RunConfig,
    categories: Categories,
    *,
    family_one_hot: Tensor,
    rows: int,
    device: torch.device,
    owners: ColumnOwners | None = None,
    leader: NDArray[np.int64] | None = None,
    sizes: StreamSizes | None = None,
) -> Learner:
    """Build model, assignment and optimisers on the device.

    Args:
        config: The run's configuration.
        categories: Where the assignment starts.
        family_one_hot: float32 [D', F], on the device.
        rows: Training rows, which bound the automatic codebook sizes.
        device: Where to compute.
        owners: Of the columns, on the device; every feature is a column when not given.
        leader: int64 [D'], the feature that each follows into its category; none does when not given.
        sizes: Of the model that the run goes on from, if any.
    """
    shape = resolve_shape(
        config,
        grouping=categories.grouping,
        num_categories=len(categories.names),
        rows=rows,
        num_columns=None if owners is None else owners.num_columns,
        given=sizes,
        is_channel=None if owners is None else owners.is_channel,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed)
        model = CategoricalVQVAE(shape)
    estimator = config.assignment.resolved_estimator()
    assignment = CategoryAssignment(
        categories.start_logits(is_hard=config.assignment.is_given),
        allowed=categories.allowed,
        estimator="softmax" if estimator == "mirror" else estimator,
        temperature=temperature_schedule(config).at(0.0),
        leader=None if leader is None else torch.from_numpy(leader),
    )
    return Learner(
        model.to(device),
        assignment.to(device),
        family_one_hot=family_one_hot,
        config=config,
        device=device,
        owners=owners,
    )


def temperature_schedule(config: RunConfig) -> TemperatureSchedule:
    """The schedule of the temperature while the model trains."""
    assignment = config.assignment
    schedule = assignment.temperature_schedule
    start, end = assignment.temperature_start, assignment.temperature_end
    return TemperatureSchedule(
        TEMPERATURE_SCHEDULE if schedule is None or schedule == "adaptive" else schedule,
        TEMPERATURE_START if start is None else start,
        TEMPERATURE_END if end is None else end,
    )
