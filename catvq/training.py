"""One training run: starts or resumes, trains an epoch at a time, and ends in a frozen model.

Every random choice comes from the seed and the saved generator state, so that a resumed run is the
uninterrupted one, bit for bit, on the same machine with the same number of threads.

Shapes: N rows, D uploaded features, D' active features, G categories.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catvq.artifact import FrozenModel
from catvq.assembly import build_learner, family_one_hot, resolve_device, temperature_schedule
from catvq.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from catvq.cleaning import FeatureCleaner
from catvq.config import RunConfig
from catvq.errors import CheckpointError, Interrupted
from catvq.freezing import FreezeInputs, freeze
from catvq.learner import Learner
from catvq.losses import LOSS_NAMES
from catvq.metrics import summarize_assignment, summarize_codebooks
from catvq.run_state import RunProgress, RunState, SoftToHardGap
from catvq.search import SEARCH_STEPS
from catvq.search_stage import SearchStage, needs_search
from catvq.start import Categories, fit_cleaner, resolve_batch_size, start_categories
from catvq.table import FeatureTable, RowSplit, split_rows

SAMPLE_ROWS = 2048  # rows whose latents place and revive codes
REVIVE_UNTIL = 0.9  # part of the run: later there is no time left to learn what a moved code means


class TrainingRun:
    """A run between its start and its frozen model; build it with `start` or `resume`.

    Args:
        table: The uploaded table.
        config: The run's configuration.
        cleaner: Fitted on the training rows.
        categories: Names, allowed categories and starting grouping.
    """

    def __init__(
        self, table: FeatureTable, config: RunConfig, *, cleaner: FeatureCleaner, categories: Categories
    ) -> None:
        self.table = table
        self.config = config
        self.cleaner = cleaner
        self.categories = categories
        self.device = resolve_device(config.training.device)
        self.split = _split(table, config)
        self.batch_size = resolve_batch_size(config, len(self.split.train))
        self._loss_sums = torch.zeros(len(LOSS_NAMES), device=self.device)
        self._features = torch.from_numpy(cleaner.normalize(table.values)).to(self.device)
        self._families = family_one_hot(
            self._rows(table.family_of_feature()[cleaner.active]), len(table.families)
        )
        self._schedule = temperature_schedule(config)
        self._stage: SearchStage | None = None
        self._learner = self._build_learner()
        self._frozen_soft = self._learner.assignment.soft().detach()
        self._grouping = self._frozen_soft.argmax(dim=1)
        self._progress = RunProgress(summarize_assignment(self._frozen_soft, self._grouping))
        if self._freeze_epoch == 0:
            self._harden()

    @classmethod
    def start(
        cls,
        table: FeatureTable,
        config: RunConfig,
        start_groups: Mapping[str, tuple[str, ...]] | None = None,
    ) -> "TrainingRun":
        """Clean the table, settle the categories and build the model.

        Args:
            table: The uploaded table.
            config: The run's configuration.
            start_groups: With init "model", that model's groups; with init "user" the configuration has them.

        Raises:
            ConfigError: The configuration does not fit the table or this machine.
        """
        groups = config.assignment.groups if start_groups is None else start_groups
        split = _split(table, config)
        cleaner = fit_cleaner(table, split, config, groups)
        normalized = cleaner.normalize(table.values[split.train])
        categories = start_categories(table, cleaner, normalized, config, groups)
        run = cls(table, config, cleaner=cleaner, categories=categories)
        if needs_search(config, categories):
            run._begin_search()
        return run

    @classmethod
    def resume(cls, table: FeatureTable, config: RunConfig, path: Path) -> "TrainingRun":
        """Continue from a checkpoint of the same table and configuration.

        Raises:
            CheckpointError: The file is torn, corrupt, or of another table or configuration.
        """
        checkpoint = load_checkpoint(path)
        document = checkpoint.document
        is_of_table = (tuple(document["features"]), document["rows"]) == (table.features, len(table.values))
        if RunConfig.from_dict(document["config"]) != config or not is_of_table:
            raise CheckpointError(f"checkpoint {path.name} belongs to another configuration or table")
        categories = Categories.from_tensors(document["categories"], checkpoint.section("categories"))
        cleaner = FeatureCleaner.from_dict(document["cleaner"])
        run = cls(table, config, cleaner=cleaner, categories=categories)
        run._restore(checkpoint)
        return run

    @property
    def epoch(self) -> int:
        """Completed epochs."""
        return self._progress.epoch

    @property
    def category_names(self) -> list[str]:
        """Names of the G categories."""
        return list(self.categories.names)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch; rows beyond the last full batch wait for another epoch's order."""
        return len(self.split.train) // self.batch_size

    @property
    def is_finished(self) -> bool:
        """Whether no epoch is left, by count, by `max_seconds` or by `finish`."""
        return self._progress.is_stopped_early or self.epoch >= self.config.training.epochs

    def finish(self) -> None:
        """Train no further: the next thing to do is `freeze`."""
        self._progress.is_stopped_early = True

    def train_epoch(self, should_stop: Callable[[], bool] = lambda: False) -> RunState:
        """Train to the end of the present epoch; while the assignment is searched for, a part of the search.

        Args:
            should_stop: Asked before every step.

        Raises:
            Interrupted: `should_stop` said so; the run can be saved here and goes on from this step.
        """
        started = time.monotonic()
        try:
            if self._stage is not None:
                self._search(self._stage, should_stop)
            else:
                with self._learner.randomness.scope():
                    self._train_steps(should_stop)
                    self._end_epoch()
        finally:
            self._progress.seconds += time.monotonic() - started
        limit = self.config.training.max_seconds
        is_over = limit is not None and self._progress.seconds >= limit
        self._progress.is_stopped_early |= is_over and self.epoch > 0
        return self.state()

    def state(self) -> RunState:
        """Where the run stands."""
        training, progress = self.config.training, self._progress
        searched = progress.search_steps if self._stage is None else self._stage.step_count
        step = searched + self._step
        has_temperature = self.config.assignment.mode == "learnable" and step > 0
        source = self._learner.assignment if self._stage is None else self._stage
        return RunState(
            epoch=self.epoch,
            epochs=training.epochs,
            step=step,
            steps=progress.search_steps + training.epochs * self.steps_per_epoch,
            temperature=float(source.temperature) if has_temperature else None,
            losses=dict(progress.losses),
            assignment=progress.summary,
            codebook=progress.codebook,
        )

    def soft_assignment(self) -> NDArray[np.float32]:
        """The soft assignment of every uploaded feature, float32 [D, G]; rows sum to 1.

        Once hardened, it stays as it was at that moment.
        """
        return self.categories.expand(self._soft().cpu().numpy(), self.cleaner)

    def save(self, path: Path) -> None:
        """Write a checkpoint that `resume` continues from, atomically."""
        tensors: dict[str, Tensor] = {
            "run.loss_sums": self._loss_sums,
            "run.frozen_soft": self._frozen_soft,
            "run.grouping": self._grouping,
        }
        tensors |= {f"categories.{name}": value for name, value in self.categories.tensors().items()}
        (self._stage or self._learner).save_into(tensors)
        document = {
            "config": self.config.to_dict(),
            "features": list(self.table.features),
            "rows": len(self.table.values),
            "categories": list(self.categories.names),
            "cleaner": self.cleaner.to_dict(),
            "progress": self._progress.to_dict(),
            "is_searching": self._stage is not None,
            "device": str(self.device),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }
        save_checkpoint(path, Checkpoint(tensors, document))

    def freeze(self) -> FrozenModel:
        """Freeze the assignment into hard groups and verify that the codes stay the same.

        Raises:
            FreezeError: The frozen model's codes differ from the unfrozen model's under hard assignment.
        """
        if self._learner.hard_routing is None:
            self._harden()
        return freeze(
            FreezeInputs(
                table=self.table,
                config=self.config,
                cleaner=self.cleaner,
                categories=self.categories,
                model=self._learner.model,
                grouping=self._learner.assignment.grouping(),
                soft=self.soft_assignment(),
                features=self._features,
                split=self.split,
                gap=self._progress.gap,
                search=self._progress.search,
                state=self.state(),
            )
        )

    @property
    def _step(self) -> int:
        return self.epoch * self.steps_per_epoch + self._progress.step_in_epoch

    @property
    def _freeze_epoch(self) -> int:
        return self.config.assignment.freeze_epoch(self.config.training.epochs)

    def _build_learner(self) -> Learner:
        return build_learner(
            self.config,
            self.categories,
            family_one_hot=self._families,
            rows=len(self.split.train),
            device=self.device,
        )

    def _begin_search(self) -> None:
        self._stage = SearchStage(self.config, self.categories, family_one_hot=self._families)
        self._progress.search_steps = SEARCH_STEPS

    def _search(self, stage: SearchStage, should_stop: Callable[[], bool]) -> None:
        train = self._features[self._rows(self.split.train)]
        if not stage.is_done:
            stage.advance(train, self._held_out, should_stop)
            self._summarize(stage.soft())
        if stage.is_done:
            self.categories, report = stage.conclude(train, self._held_out, should_stop)
            self._progress.search = asdict(report)
            self._stage = None
            self._learner = self._build_learner()
            self._summarize(self._soft())

    def _summarize(self, soft: Tensor) -> None:
        """Summarise a soft assignment, float32 [D', G], against the one summarised before."""
        self._progress.summary = summarize_assignment(soft, self._grouping)
        self._grouping = soft.argmax(dim=1)

    def _train_steps(self, should_stop: Callable[[], bool]) -> None:
        train = self._rows(self.split.train)
        order = np.random.default_rng([self.config.training.seed, 1, self.epoch]).permutation(len(train))
        batches = torch.split(train[self._rows(order)], self.batch_size)
        total_steps = self.config.training.epochs * self.steps_per_epoch
        while self._progress.step_in_epoch < self.steps_per_epoch:
            if should_stop():
                raise Interrupted(f"stopped in epoch {self.epoch + 1}, before step {self._step + 1}")
            if self._step == 0:
                self._learner.place_codebooks(self._features[self._sample(train)])
            if self._learner.hard_routing is None:
                self._learner.assignment.set_temperature(self._temperature())
            batch = self._features[batches[self._progress.step_in_epoch]]
            self._loss_sums += self._learner.step(batch, progress=self._step / total_steps)
            self._progress.step_in_epoch += 1

    def _temperature(self) -> float:
        """What the schedule says for the present epoch or step."""
        steps = self._freeze_epoch * self.steps_per_epoch
        per_epoch = self.config.assignment.temperature_update == "epoch"
        position, last = (self.epoch, self._freeze_epoch) if per_epoch else (self._step, steps)
        return self._schedule.at(min(1.0, position / max(last - 1, 1)))

    def _end_epoch(self) -> None:
        means = (self._loss_sums / self.steps_per_epoch).tolist()
        self._loss_sums.zero_()
        self._progress.step_in_epoch = 0
        self._progress.epoch += 1
        codebooks = self._learner.model.codebooks
        self._progress.codebook = summarize_codebooks(codebooks.usage_counts, codebooks.code_mask)
        training = self.config.training
        is_due = self.epoch % training.dead_code_interval_epochs == 0
        if is_due and self.epoch < REVIVE_UNTIL * training.epochs:
            train = self._rows(self.split.train)
            self._learner.revive_dead_codes(self._features[self._sample(train)])
        codebooks.reset_usage()
        self._summarize(self._soft())
        if self.epoch == self._freeze_epoch and self._learner.hard_routing is None:
            self._harden()
        error = None
        if len(self.split.validation):
            error = self._learner.reconstruction_error(self._features[self._rows(self.split.validation)])
        self._progress.losses = dict(zip(LOSS_NAMES, means, strict=True)) | {"validation": error}

    def _harden(self) -> None:
        """Fix the grouping, and measure what going from soft to hard costs when it was learnt."""
        learner = self._learner
        self._frozen_soft = learner.assignment.soft().detach()
        if self.config.assignment.mode == "learnable" and self._step > 0:
            self._progress.gap = SoftToHardGap(
                soft_error=learner.reconstruction_error(self._held_out),
                hard_error=learner.reconstruction_error(self._held_out, hard=True),
                rows="validation" if len(self.split.validation) else "train",
                epoch=self.epoch,
            )
        learner.harden()
        self._progress.is_hardened = True

    def _restore(self, checkpoint: Checkpoint) -> None:
        self._progress = RunProgress.from_dict(checkpoint.document["progress"])
        self._loss_sums = checkpoint.tensors["run.loss_sums"].to(self.device)
        self._frozen_soft = checkpoint.tensors["run.frozen_soft"].to(self.device)
        self._grouping = checkpoint.tensors["run.grouping"].to(self.device)
        if checkpoint.document["is_searching"]:
            self._stage = SearchStage(self.config, self.categories, family_one_hot=self._families)
            self._stage.restore_from(checkpoint)
        else:
            self._learner.restore_from(checkpoint, hardened=self._progress.is_hardened)

    @property
    def _held_out(self) -> Tensor:
        """Rows that choices may look at: validation rows, or the training rows where there are none."""
        has_validation = len(self.split.validation) > 0
        return self._features[self._rows(self.split.validation if has_validation else self.split.train)]

    def _soft(self) -> Tensor:
        if self._stage is not None:
            return self._stage.soft()
        return self._frozen_soft if self._learner.hard_routing else self._learner.assignment.soft().detach()

    def _rows(self, rows: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(rows).to(self.device)

    def _sample(self, train: Tensor) -> Tensor:
        picks = torch.randperm(len(train), device="cpu")[:SAMPLE_ROWS]
        return train[picks.to(train.device)]


def _split(table: FeatureTable, config: RunConfig) -> RowSplit:
    training = config.training
    return split_rows(
        len(table.values),
        validation_fraction=training.validation_fraction,
        test_fraction=training.test_fraction,
        seed=training.seed,
    )
