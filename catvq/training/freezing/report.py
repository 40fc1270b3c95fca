"""The report of a run: what its frozen model was measured by, and how it came about.

Shapes: N rows, D' active features, G categories, S streams.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from catvq.cleaning.report import CleanedFeature, describe_cleaning
from catvq.features.split import RowSplit
from catvq.frozen.categorical_accuracy import ValueAccuracy, describe_values
from catvq.frozen.descriptor_accuracy import ChannelAccuracy, describe_channels
from catvq.frozen.uncertain_features import (
    FIT_ROWS,
    JUDGE_ROWS,
    DoubtfulFeature,
    describe_doubtful,
    find_swaps,
)
from catvq.frozen.verify import FreezeCheck
from catvq.frozen.weights import FrozenWeights
from catvq.grouping.merging import Join
from catvq.model.metrics import AssignmentSummary
from catvq.model.vqvae import CategoricalVQVAE
from catvq.recipe import RowCounts
from catvq.training.collapse import Collapse
from catvq.training.freezing.inputs import FreezeInputs
from catvq.training.freezing.measurements import (
    TOKEN_ROWS,
    CodeUsage,
    LevelError,
    PartErrors,
    TokenShares,
    Topography,
    measure_errors,
    measure_levels,
    measure_tokens,
    measure_topography,
    measure_usage,
)
from catvq.training.progress import Move, SoftToHardGap
from catvq.training.stage.ranks import count_ranks


@dataclass(frozen=True, kw_only=True)
class DescribedGap(SoftToHardGap):
    """What hardening cost, with the difference of both errors."""

    gap: float


@dataclass(frozen=True, kw_only=True)
class DescribedCheck(FreezeCheck):
    """The verification, and `of` how many rows the compared ones are."""

    of: int


@dataclass(frozen=True)
class CodesDigest:
    """SHA-256 of the codes of the measured rows."""

    rows: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class TrainingSummary:
    """How the run went; `epochs`, `best_epoch`, `spread` and `settled_epoch` as in `RunState`."""

    epochs: int
    best_epoch: int | None
    spread: float | None
    settled_epoch: int | None
    seed: int
    torch: str
    threads: int
    devices: int


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """All that a run tells of its model.

    Attributes:
        by_levels: Of codes of the first level, the first two, ..., on test rows where there are any.
        soft_to_hard_gap: None in static mode.
        start: How the start was chosen, see `StartReport`, and the share of codes that are those of the model
            that the run went on from; None where there was nothing to choose.
        search: How the search's restarts compare; None without a search.
        doubtful: Features with an uncertain category.
        joined: Surplus categories that became part of others.
        pruned: Categories that were left out since they were empty.
        measured_rows: Of `rows`, those that the model was measured on.
    """

    losses: Mapping[str, float | None]
    reconstruction_error: PartErrors
    by_levels: Sequence[LevelError]
    categorical: Sequence[ValueAccuracy]
    channels: Sequence[ChannelAccuracy]
    soft_to_hard_gap: DescribedGap | None
    start: Mapping[str, Any] | None
    search: Mapping[str, Any] | None
    freeze_check: DescribedCheck
    codebook: CodeUsage
    tokens: TokenShares
    topographic_similarity: Topography
    assignment: AssignmentSummary
    doubtful: Sequence[DoubtfulFeature]
    moved_features: Sequence[Move]
    joined: Sequence[Join]
    pruned: Sequence[str]
    collapse: Sequence[Collapse]
    rows: RowCounts
    measured_rows: RowCounts
    codes: CodesDigest
    cleaning: Sequence[CleanedFeature]
    training: TrainingSummary
    warnings: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """In JSON's types."""
        moves = [
            {"name": move.feature, "from": move.category, "to": move.into, "epoch": move.epoch}
            for move in self.moved_features
        ]
        return asdict(self) | {"moved_features": moves}


@dataclass(frozen=True)
class FrozenRun:
    """What freezing made of a run, for its report.

    Attributes:
        model: The trained model, on the CPU, in evaluation mode.
        codes: int64 [N, S], of the measured rows.
        usage: float32 [S, K], how often the training rows use each code.
        check: That the frozen model gives the codes of the trained one.
        features: All features in their categories, see `describe_grouping`.
    """

    model: CategoricalVQVAE
    weights: FrozenWeights
    codes: Tensor
    usage: Tensor
    check: FreezeCheck
    features: Sequence[Mapping[str, Any]]


def describe_run(whole: FreezeInputs, inputs: FreezeInputs, frozen: FrozenRun) -> RunReport:
    """Measure the frozen model, and tell how it came about.

    Args:
        whole: What was handed over.
        inputs: The same with the rows to measure on, see `choose_rows`.
    """
    weights, codes = frozen.weights, frozen.codes
    rows, split, state = inputs.data.features.cpu(), inputs.data.split, inputs.state
    return RunReport(
        losses=state.losses,
        reconstruction_error=measure_errors(inputs, rows, codes, weights),
        by_levels=measure_levels(inputs, rows, codes, weights),
        categorical=describe_values(inputs.table, inputs.cleaner, weights, split, codes=codes.numpy()),
        channels=describe_channels(inputs.table, inputs.cleaner, weights, inputs.data, codes=codes),
        soft_to_hard_gap=_described_gap(inputs.gap),
        start=_describe_start(whole, weights),
        search=inputs.search,
        freeze_check=DescribedCheck(**asdict(frozen.check), of=whole.table.num_rows),
        codebook=measure_usage(frozen.usage, frozen.model),
        tokens=measure_tokens(codes[split.train[:TOKEN_ROWS]]),
        topographic_similarity=measure_topography(split, rows, codes, weights),
        assignment=state.assignment,
        doubtful=_describe_doubtful(inputs, frozen),
        moved_features=state.moves,
        joined=state.joins,
        pruned=list(inputs.pruned),
        collapse=state.collapses,
        rows=_count_rows(whole.data.split),
        measured_rows=_count_rows(split),
        codes=CodesDigest(len(codes), hashlib.sha256(codes.numpy().data).hexdigest()),
        cleaning=describe_cleaning(inputs.cleaner, inputs.table.features),
        training=TrainingSummary(
            epochs=state.epoch,
            best_epoch=state.best_epoch,
            spread=state.spread,
            settled_epoch=state.settled_epoch,
            seed=inputs.config.training.seed,
            torch=torch.__version__,
            threads=torch.get_num_threads(),
            devices=count_ranks(inputs.config.training, inputs.data.device),
        ),
        warnings=_warnings(inputs, frozen.model),
    )


def _describe_doubtful(inputs: FreezeInputs, frozen: FrozenRun) -> list[DoubtfulFeature]:
    """Of active features: a duplicate's place is that of what it repeats, a constant has none to doubt."""
    features, split = inputs.data.features.cpu(), inputs.data.split
    held_out = inputs.data.held_out_rows[:JUDGE_ROWS]
    cells, held_out = inputs.data.cells(held_out), held_out.cpu()
    swaps = find_swaps(
        frozen.model,
        inputs.grouping.cpu(),
        inputs.categories.allowed,
        train=features[split.train[:FIT_ROWS]],
        held_out=features[held_out],
        cells=None if cells is None else cells.cpu(),
        owners=inputs.owners,
    )
    weights = inputs.config.cleaning.weights_of(inputs.table.features)
    own = [
        None if swap is None else replace(swap, cost=swap.cost / weights[feature])
        for feature, swap in zip(inputs.cleaner.active.tolist(), swaps, strict=True)
    ]
    return describe_doubtful([frozen.features[feature] for feature in inputs.cleaner.active], own)


def _count_rows(split: RowSplit) -> RowCounts:
    return RowCounts(train=len(split.train), validation=len(split.validation), test=len(split.test))


def _describe_start(inputs: FreezeInputs, weights: FrozenWeights) -> dict[str, Any] | None:
    """How the start was chosen, and how many codes are those of the model that the run went on from."""
    if inputs.start is None or inputs.start_codes is None:
        return inputs.start
    is_kept = weights.encode(inputs.data.held_out.cpu()) == inputs.start_codes
    rows = "validation" if inputs.data.has_validation else "train"
    kept = {"share": float(is_kept.float().mean()), "codes": is_kept.numel(), "rows": rows}
    return inputs.start | {"kept_codes": kept}


def _described_gap(gap: SoftToHardGap | None) -> DescribedGap | None:
    return None if gap is None else DescribedGap(**asdict(gap), gap=gap.hard_error - gap.soft_error)


def _warnings(inputs: FreezeInputs, model: CategoricalVQVAE) -> list[str]:
    sizes = F.one_hot(inputs.grouping.cpu(), model.shape.num_categories).sum(dim=0)
    empty = [name for name, size in zip(inputs.categories.names, sizes.tolist(), strict=True) if size == 0]
    warnings = [f"category {name!r} is empty: its codes are constant" for name in empty]
    if inputs.gap is not None and inputs.gap.hard_error > 1.1 * inputs.gap.soft_error:
        warnings.append(
            f"hardening the assignment raised the error from {inputs.gap.soft_error:.4f} "
            f"to {inputs.gap.hard_error:.4f} before further training"
        )
    return warnings
