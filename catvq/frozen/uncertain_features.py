"""Finds features with an uncertain category: a low confidence, or another category predicts them as well.

Shapes: B rows, D' active features, C' their columns, G categories, H units of an embedding, F columns to
predict.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from catvq.features.owners import ColumnOwners
from catvq.model.metrics import CONFIDENT
from catvq.model.routing import HardRouting
from catvq.model.vqvae import CategoricalVQVAE

# In units of the feature's variance. Swapping a planted member costs 0.29 or more, a member of two categories
# 0.1, noise 0.
CHEAP_SWAP = 0.1
FOLDS = 8  # parts of a category that are hidden in turn and predicted from the others
FIT_ROWS, JUDGE_ROWS = 1024, 512  # enough rows for the fit, and for its evaluation
EPSILON = 1e-12
MAX_UNITS = 128  # of an embedding; its units are exchangeable, so the first ones are enough


@dataclass(frozen=True)
class Swap:
    """Cost of moving a feature to the second best category.

    Attributes:
        runner_up: The other category that predicts the feature best.
        cost: Its squared error minus that of the feature's own category, in units of the feature's variance;
            below 0 if the other category predicts it better.
    """

    runner_up: int
    cost: float


@dataclass(frozen=True, kw_only=True)
class DoubtfulFeature:
    """A feature with an uncertain category; the last two are None where no other is possible."""

    name: str
    category: int
    confidence: float
    runner_up: int | None
    swap_cost: float | None


def describe_doubtful(
    features: Sequence[Mapping[str, Any]], swaps: Sequence[Swap | None]
) -> list[DoubtfulFeature]:
    """Return the features with an uncertain category, cheapest swap first.

    Args:
        features: Name, category and confidence of each feature, as in the grouping.
        swaps: Swaps of the same features; None if no other category is possible.
    """
    doubtful = [
        DoubtfulFeature(
            name=feature["name"],
            category=feature["category"],
            confidence=feature["confidence"],
            runner_up=None if swap is None else swap.runner_up,
            swap_cost=None if swap is None else swap.cost,
        )
        for feature, swap in zip(features, swaps, strict=True)
        if feature["confidence"] <= CONFIDENT or (swap is not None and swap.cost <= CHEAP_SWAP)
    ]
    return sorted(doubtful, key=lambda each: math.inf if each.swap_cost is None else each.swap_cost)


@torch.no_grad()
def find_swaps(
    model: CategoricalVQVAE,
    grouping: Tensor,
    allowed: Tensor,
    *,
    train: Tensor,
    held_out: Tensor,
    cells: Tensor | None = None,
    owners: ColumnOwners | None = None,
) -> list[Swap | None]:
    """Compute for each feature how much better its own category predicts it than the best other one.

    In turn, a part of every category's features is hidden and predicted from each category's embedding by
    ridge regression, so a category never sees the feature that it predicts.

    Args:
        model: In evaluation mode.
        grouping: int64 [D'].
        allowed: bool [D', G].
        train: float32 [B, C'], each feature of variance 1; rows to fit the regression on.
        held_out: float32 [B, C'], rows to evaluate it on.
        cells: float32 [B, C'], how much each cell of these counts; all alike when not given.
        owners: Of the columns; every feature is a column when not given.

    Returns:
        Length D'; None if no other category with features is allowed.
    """
    owners = owners or ColumnOwners.each_its_own(len(grouping))
    routing = HardRouting.from_grouping(owners.spread(grouping), model.shape.num_categories)
    fold = owners.spread(_folds(HardRouting.from_grouping(grouping, model.shape.num_categories)))
    errors = torch.zeros(owners.num_columns, allowed.shape[1])
    for part in range(int(fold.max()) + 1):
        hidden = fold == part
        fitted, judged = (
            _predictors(model, rows.masked_fill(hidden, 0.0), routing) for rows in (train, held_out)
        )
        counted = None if cells is None else cells[:, hidden]
        errors[hidden] = ridge_errors(fitted, train[:, hidden], judged, held_out[:, hidden], counted).T
    errors = owners.total(errors.T).T
    own = grouping.unsqueeze(1)
    is_filled = routing.mask.any(dim=1)
    rivals = (allowed & is_filled).scatter(1, own, False)
    best, runner_up = errors.masked_fill(~rivals, torch.inf).min(dim=1)
    costs = best - errors.gather(1, own).squeeze(1)
    return [
        Swap(category, cost) if has_rival else None
        for category, cost, has_rival in zip(
            runner_up.tolist(), costs.tolist(), rivals.any(dim=1).tolist(), strict=True
        )
    ]


def _predictors(model: CategoricalVQVAE, features: Tensor, routing: HardRouting) -> Tensor:
    """Inputs of the regression: each category's latents and embedding, float32 [G, B, H]."""
    latents, embedding = model.latents(features, routing), model.encoder.embed(features, routing)
    return torch.cat([latents, embedding], dim=2)[:, :, :MAX_UNITS]


def ridge_errors(
    fitted: Tensor, targets: Tensor, judged: Tensor, judged_targets: Tensor, cells: Tensor | None = None
) -> Tensor:
    """Mean squared error of a linear prediction of each target from each category's embedding.

    The ridge penalty is H / B times the inputs' variance: stronger with fewer rows.

    Args:
        fitted: float32 [G, B, H], inputs of the rows for the fit.
        targets: float32 [B, F], targets of the same rows.
        judged: float32 [G, B, H], inputs of the rows for the evaluation.
        judged_targets: float32 [B, F], their targets.
        cells: float32 [B, F], how much each of these counts; all alike when not given.

    Returns:
        float32 [G, F].
    """
    _, rows, units = fitted.shape
    centre, offset = fitted.mean(dim=1, keepdim=True), targets.mean(dim=0)
    scale = fitted.std(dim=1, keepdim=True).clamp_min(1e-6)
    inputs = (fitted - centre) / scale
    moments = torch.bmm(inputs.transpose(1, 2), inputs) / rows + units / rows * torch.eye(units)
    weights = torch.linalg.solve(moments, inputs.transpose(1, 2) @ (targets - offset) / rows)
    predicted = torch.bmm((judged - centre) / scale, weights) + offset
    error = (predicted - judged_targets).square()
    if cells is None:
        return error.mean(dim=1)
    return (error * cells).sum(dim=1) / cells.sum(dim=0).clamp_min(EPSILON)


def _folds(routing: HardRouting) -> Tensor:
    """Fold of each feature, int64 [D']: every category is spread evenly over all FOLDS folds."""
    is_real = routing.mask > 0
    slots = torch.arange(routing.index.shape[1]).expand_as(routing.index)
    folds = torch.zeros(routing.num_features, dtype=torch.int64)
    folds[routing.index[is_real]] = slots[is_real] % FOLDS
    return folds
