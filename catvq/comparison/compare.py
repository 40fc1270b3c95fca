"""Compares a learnt grouping with those of simpler methods: each is trained as the categories of a VQ-VAE.

All contestants have the same number of categories and bits per row, and are trained with the same settings on
the same rows. They are evaluated on test rows that were used for no decision.

Shapes: N rows, D uploaded features, D' active ones, C' their columns, G categories, L levels, T trainings.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cached_property
from time import monotonic
from types import MappingProxyType

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from catvq.compared import CodecName, Comparison, ContestantName, Probe, Stability
from catvq.comparison.classical_codecs import principal_components, residual_k_means
from catvq.comparison.conditions import allowed_categories, rows_learnt, sample_rows, static_settings
from catvq.comparison.learnt_model import LearntModel
from catvq.comparison.probes import probe_labels
from catvq.comparison.stability import FOUND_STARTS, resampled_agreement
from catvq.comparison.verdict import LEARNT, NAMES, NO_GROUPS, Contestant, Terms, Times, judge
from catvq.config import RunConfig
from catvq.dependence.available import Presence, standardised
from catvq.dependence.dependence import group_by_dependence
from catvq.errors import CatvqError, Interrupted
from catvq.features.prefixes import prepare_table
from catvq.features.rows import RunData
from catvq.features.scores.row_lengths import RowLengths
from catvq.features.table import FeatureTable
from catvq.grouping.baselines import Grouping, group_within
from catvq.grouping.blocks import Blocks
from catvq.grouping.categories import Categories
from catvq.grouping.together import leaders, set_of_feature, tie
from catvq.model.losses import squared_error
from catvq.model.metrics import summarize_assignment
from catvq.model.routing import HardRouting
from catvq.recipe import choose_epochs
from catvq.training.device import family_one_hot, resolve_device
from catvq.training.progress import RunProgress
from catvq.training.stage.joint_stage import ModelStage

TRAININGS = 3  # of each grouping, with different seeds, to measure the variance between them
EVALUATION_ROWS = 1024


def compare(
    table: FeatureTable,
    config: RunConfig,
    learnt: LearntModel,
    *,
    labels: Mapping[str, NDArray[np.object_]] = MappingProxyType({}),
    should_stop: Callable[[], bool],
) -> Comparison:
    """Compare a model's grouping with those of simpler methods.

    Args:
        table: The table that the model was trained on.
        config: The configuration of its run.
        learnt: The model.
        labels: Keys of the table's rows that its codes may tell, text by name, None where missing.
        should_stop: Called before every step.

    Raises:
        Interrupted: `should_stop` returned true.
    """
    started = monotonic()
    contest = _Contest(table, config, learnt, should_stop=should_stop)
    contestants = contest.contestants()
    times, codecs = (contest.times(), contest.codecs()) if contestants else (None, {})
    return Comparison(
        verdict=judge(contestants, contest.terms, times, codecs),
        stability=contest.stability(),
        probes=contest.probes(labels),
        seconds=round(monotonic() - started, 1),
    )


class _Contest:
    """Trains models with different groupings, on the same rows and with the same settings."""

    def __init__(
        self,
        table: FeatureTable,
        config: RunConfig,
        learnt: LearntModel,
        *,
        should_stop: Callable[[], bool],
    ) -> None:
        active, self._should_stop = learnt.cleaner.active, should_stop
        used, grouping = np.unique(learnt.grouping[active], return_inverse=True)
        bits = float(np.log2([learnt.codebook_sizes[category] for category in used]).mean())
        table = prepare_table(table, config)
        whole = table.split(config.training)
        rows, split = sample_rows(whole, seed=config.training.seed)
        values, weights = table.take(rows), table.all_weights
        family = table.family_of_feature()[active]
        device = resolve_device(config.training.device)
        present = learnt.cleaner.present(values)
        self._table, self._given_config, self._cleaner = table, config, learnt.cleaner
        self._rows, self._weights = rows, learnt.weights
        leader = leaders(set_of_feature(table.features, config.assignment), learnt.cleaner)
        self._leader = None if leader is None else learnt.cleaner.position[leader[active]]
        self._learnt = grouping.astype(np.int64)
        blocks = Blocks.of(table, config)
        self._allowed = allowed_categories(
            self._learnt, None if blocks is None else blocks.of_feature[active]
        )
        self._data = RunData(
            torch.from_numpy(learnt.cleaner.normalize(values)).to(device),
            split,
            family_one_hot(torch.from_numpy(family), len(table.families)).to(device),
            learnt.cleaner.feature_of_column,
            None if present is None else torch.from_numpy(present).to(device),
            None if weights is None else weights[rows],
            is_channel=learnt.cleaner.is_channel,
            is_gap=learnt.cleaner.is_gap,
            lengths=RowLengths.of(table, active).select(rows),
        )
        self._config = static_settings(config, codebook_size=round(2**bits), rows=len(split.train))
        self._errors: dict[bytes, NDArray[np.float64]] = {}
        self._training_seconds = learnt.training_seconds
        self._static_seconds: list[float] = []
        self._larger = rows_learnt(config, len(whole.train)) / rows_learnt(self._config, len(split.train))
        self.terms = Terms(
            train_rows=len(split.train),
            test_rows=len(split.test),
            features=len(active),
            categories=len(used),
            levels=config.model.num_levels,
            codebook_size=round(2**bits),
            epochs=choose_epochs(self._config.training, len(split.train)),
            seeds=tuple(config.training.seed + i for i in range(TRAININGS)),
            has_choice=bool((self._allowed.sum(axis=1) > 1).any()) and len(used) < len(active),
            has_structure=self._has_structure(),
            model_test_error=learnt.test_error,
            moved=learnt.moved,
        )

    def contestants(self) -> list[Contestant]:
        """Train models with the learnt grouping and all others; empty if no comparison is possible."""
        if not self.terms.can_judge:
            return []
        found: dict[ContestantName, Grouping] = {LEARNT: self._learnt}
        filled = standardised(self._train_scores, Presence.of(self._train_scores))
        for name in NAMES:
            self._check()
            grouping = group_within(name, filled, self._allowed, seed=self.terms.seeds[0])
            found[name] = tie(grouping, self._leader)
        contestants = [
            Contestant(name=name, grouping=grouping, row_errors=self._row_errors(grouping))
            for name, grouping in found.items()
        ]
        whole = np.zeros_like(self._learnt)
        errors = np.stack([self._train(whole, seed, categories=1) for seed in self.terms.seeds])
        return [*contestants, Contestant(name=NO_GROUPS, grouping=whole, row_errors=errors)]

    def codecs(self) -> dict[CodecName, float]:
        """Test errors of classical quantisers with as many bits."""
        owners, seed = self._data.owners, self.terms.seeds[0]
        train: NDArray[np.float32] = self._data.train.cpu().numpy()
        test: NDArray[np.float32] = self._data.features[self._data.split.test].cpu().numpy()
        levels, codes = self.terms.levels, self.terms.codebook_size
        learnt = self._learnt[owners.owner.cpu().numpy()]
        groups = [np.flatnonzero(learnt == category) for category in range(self.terms.categories)]
        grouped: Mapping[CodecName, tuple[list[NDArray[np.int64]], int]] = {
            "residual_k_means": (groups, levels),
            "ungrouped_residual_k_means": ([np.arange(len(learnt))], levels * len(groups)),
        }
        found: dict[CodecName, float] = {}
        for name, (own, depth) in grouped.items():
            self._check()
            rebuilt = residual_k_means(train, test, own, codes=[codes] * depth, seed=seed)
            found[name] = self._test_error(rebuilt)
        self._check()
        rebuilt = principal_components(train, test, bits=int(self.terms.bits_per_row), seed=seed)
        return found | {"principal_components": self._test_error(rebuilt)}

    def stability(self) -> Stability | None:
        """How far the grouping depends on the rows; None where it is not found by a start alone."""
        if self._given_config.assignment.resolved_init() not in FOUND_STARTS:
            return None
        return resampled_agreement(
            self._table,
            self._cleaner,
            self._train_scores,
            self._given_config,
            self._learnt,
            should_stop=self._should_stop,
        )

    def probes(self, labels: Mapping[str, NDArray[np.object_]]) -> list[Probe]:
        """How well the model's codes tell the labels."""
        if self._weights is None or not labels:
            return []
        of_rows = {
            # What comes after the own rows, prefixes and rows of other datasets, has no labels.
            name: np.array([cells[row] if row < len(cells) else None for row in self._rows], dtype=object)
            for name, cells in labels.items()
        }
        codes = self._weights.encode(self._data.features.cpu())
        return probe_labels(
            codes.numpy(),
            self._weights.decode(codes).numpy(),
            of_rows,
            self._data.split,
            should_stop=self._should_stop,
        )

    def times(self) -> Times:
        """Durations of the model's training, and of a static one of its size, estimated from those here."""
        return Times(self._training_seconds, float(np.median(self._static_seconds)) * self._larger)

    def _test_error(self, rebuilt: NDArray[np.float32]) -> float:
        return float(_row_errors(torch.from_numpy(rebuilt).to(self._data.device), self._data).mean())

    @cached_property
    def _train_scores(self) -> NDArray[np.float32]:
        return self._data.train_scores

    def _has_structure(self) -> bool:
        wanted, seed = self._allowed.shape[1], self._config.training.seed
        return group_by_dependence(self._train_scores, wanted, seed=seed).structure != "none"

    def _row_errors(self, grouping: Grouping) -> NDArray[np.float64]:
        """Error of each test row in each training, [T, rows]; equal groupings are trained only once."""
        # Categories are numbered by their first features, so that equal groupings have equal keys.
        _, first, inverse = np.unique(grouping, return_index=True, return_inverse=True)
        numbered = first.argsort().argsort()[inverse]
        key = numbered.tobytes()
        if key not in self._errors:
            number = self.terms.categories
            trained = [self._train(numbered, seed, categories=number) for seed in self.terms.seeds]
            self._errors[key] = np.stack(trained)
        return self._errors[key]

    def _train(self, grouping: Grouping, seed: int, *, categories: int) -> NDArray[np.float64]:
        """Train one model of some categories, and measure the error of each test row, [rows].

        Fewer categories than those of the others have as many codes in all.
        """
        number, levels = categories, self.terms.levels * self.terms.categories // categories
        training = dataclasses.replace(self._config.training, seed=seed)
        hard = torch.from_numpy(grouping).to(self._data.device)
        start = Categories(
            tuple(str(category) for category in range(number)),
            grouping,
            torch.ones(len(grouping), number, dtype=torch.bool),
            np.full((len(grouping), number), 1 / number, dtype=np.float32),
        )
        config = dataclasses.replace(self._config, training=training)
        if levels != self.terms.levels:
            model = dataclasses.replace(config.model, levels=levels, compression_ratios=None)
            config = dataclasses.replace(config, model=model)
        summary = summarize_assignment(F.one_hot(hard, number).float(), hard)
        progress = RunProgress(summary, start_sizes=start.sizes())
        started = monotonic()
        stage = ModelStage(config, start, data=self._data, progress=progress)
        for _ in range(self.terms.epochs):
            stage.train_epoch(self._should_stop)
        stage.keep_best()
        self._static_seconds.append(monotonic() - started)
        self._check()
        routing = HardRouting.from_grouping(self._data.owners.spread(hard), number)
        errors = _test_errors(stage, routing, self._data)
        if not np.isfinite(errors).all():
            raise CatvqError("a training of the comparison diverged")
        return errors

    def _check(self) -> None:
        if self._should_stop():
            raise Interrupted("stopped during the comparison")


@torch.no_grad()
def _test_errors(stage: ModelStage, routing: HardRouting, data: RunData) -> NDArray[np.float64]:
    model = stage.model.eval()
    rows = data.features[torch.from_numpy(data.split.test).to(data.device)]
    chunks = torch.split(rows, EVALUATION_ROWS)
    return _row_errors(torch.cat([model(chunk, routing).reconstructed for chunk in chunks]), data)


def _row_errors(reconstructed: Tensor, data: RunData) -> NDArray[np.float64]:
    """Mean squared error of a feature in each test row, float32 [rows, C'] -> [rows]."""
    rows = torch.from_numpy(data.split.test).to(data.device)
    error = squared_error(reconstructed, data.features[rows], data.cells(rows)).mean(dim=1)
    errors: NDArray[np.float64] = error.double().cpu().numpy()
    return errors * data.owners.per_feature
