"""The second stage of a run: trains the model, and the assignment with it until that is hardened.

The model starts where classical quantisation ends, and is trained on from there on rows from around the
training rows. What it ends with is its best epoch on the validation rows since the grouping was fixed.

Shapes: N rows, D' active features, G categories.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from catvq.config import RunConfig
from catvq.errors import Interrupted
from catvq.features.rows import RunData
from catvq.grouping.choose_initial import feature_covariance, telling_bits
from catvq.grouping.initial import Categories
from catvq.grouping.merging import Join, join_cheapest, joins_due
from catvq.model.losses import LOSS_NAMES
from catvq.model.metrics import summarize_codebooks
from catvq.model.smoothing import TRAINING_SPREAD, Smoother
from catvq.model.vqvae import CategoricalVQVAE
from catvq.recipe import choose_batch_size, choose_epochs
from catvq.state.checkpoint import Checkpoint
from catvq.state.rng import OwnRandomness
from catvq.training import collapse
from catvq.training.alternation import Learning, learning_in
from catvq.training.build import build_learner, temperature_schedule
from catvq.training.collapse import Sign
from catvq.training.model_start import choose_spread, start_rows
from catvq.training.progress import RunProgress, SoftToHardGap
from catvq.training.trainer import DECAY_FROM

SAMPLE_ROWS = 256  # rows whose latents revive codes
JUDGE_ROWS = 1024  # most validation rows that choose between starts and epochs
MOVED_ROWS = 128  # least rows of a step where they are moved: small batches are drawn around more than once
PATIENCE = 0.2  # part of the epochs: none better for so long ends a run whose rate is falling
QUIET_EPOCHS = 5
SETTLED_ENTROPY = 0.01  # of the largest: in no measured run a feature moved later; below 0.02 in four of nine
REVIVE_UNTIL = 0.9  # part of the run: later there is no time left to learn what a moved code means


class ModelStage:
    """Trains epoch by epoch; static mode hardens before the first.

    Args:
        config: The run's configuration.
        categories: Where the assignment starts.
        data: What to learn from.
        progress: Kept up to date: epoch, step, losses, codebook, gap and whether hardened.
    """

    def __init__(
        self, config: RunConfig, categories: Categories, *, data: RunData, progress: RunProgress
    ) -> None:
        self._config = config
        self._data = data
        self._progress = progress
        self._names = categories.names
        self._found_sizes = categories.sizes()
        bits = telling_bits(config, categories, rows=len(data.split.train))
        lasting = len(categories.names) - config.assignment.surplus_categories
        self._bits_per_feature = bits * lasting / len(categories.grouping)
        self._schedule = temperature_schedule(config)
        self._learner = build_learner(
            config,
            categories,
            family_one_hot=data.family_one_hot,
            rows=len(data.split.train),
            device=data.device,
            owners=data.owners,
        )
        self._smoother = Smoother(data.features, data.train_rows, seed=config.training.seed)
        self._best: dict[str, Tensor] = {}
        self._batch_size = choose_batch_size(config.training, len(data.split.train))
        self._epochs = choose_epochs(config.training, len(data.split.train))
        self._loss_sums = torch.zeros(len(LOSS_NAMES), device=data.device)
        self._frozen_soft = self._learner.assignment.soft().detach()
        if self._freeze_epoch == 0 and not progress.is_hardened:
            self.harden()

    @property
    def model(self) -> CategoricalVQVAE:
        """The model as it stands."""
        return self._learner.model

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch; rows beyond the last full batch wait for another epoch's order."""
        return len(self._data.split.train) // self._batch_size

    @property
    def step(self) -> int:
        """Completed optimiser steps."""
        return self._progress.epoch * self.steps_per_epoch + self._progress.step_in_epoch

    @property
    def temperature(self) -> float | None:
        """Of the assignment; None before the first step and in static mode."""
        is_learnable = self._config.assignment.mode == "learnable"
        return float(self._learner.assignment.temperature) if is_learnable and self.step > 0 else None

    def next_temperature(self) -> float:
        """What the next step sets the temperature to, as long as the assignment is not hardened."""
        if self._progress.held_temperature is not None:
            return self._progress.held_temperature
        steps = self._freeze_epoch * self.steps_per_epoch
        per_epoch = self._config.assignment.temperature_update == "epoch"
        position, last = (self._progress.epoch, self._freeze_epoch) if per_epoch else (self.step, steps)
        return self._schedule.at(min(1.0, position / max(last - 1, 1)))

    def grouping(self) -> Tensor:
        """Most probable category of each feature, int64 [D']."""
        return self._learner.assignment.grouping()

    def soft(self) -> Tensor:
        """Soft assignment, float32 [D', G]; once hardened, as it was at that moment."""
        is_hardened = self._progress.is_hardened
        return self._frozen_soft if is_hardened else self._learner.assignment.soft().detach()

    def train_epoch(self, should_stop: Callable[[], bool]) -> None:
        """Train to the end of the present epoch.

        Args:
            should_stop: Asked before every step.

        Raises:
            Interrupted: `should_stop` said so; the stage can be saved here and goes on from this step.
        """
        with self._learner.randomness.scope():
            self._take_steps(should_stop)
            self._end_epoch()

    def harden(self) -> None:
        """Fix the grouping, and measure what going from soft to hard costs when it was learnt."""
        self._join_surplus(self._config.assignment.surplus_categories)
        learner, held_out = self._learner, self._data.held_out
        self._frozen_soft = learner.assignment.soft().detach()
        if self._config.assignment.mode == "learnable" and self.step > 0:
            self._progress.gap = SoftToHardGap(
                soft_error=learner.reconstruction_error(held_out),
                hard_error=learner.reconstruction_error(held_out, hard=True),
                rows="validation" if self._data.has_validation else "train",
                epoch=self._progress.epoch,
            )
        learner.harden()
        self._progress.is_hardened = True
        if self.step > 0:
            self._start_anew_if_better()

    def keep_best(self) -> None:
        """Go back to the best epoch on validation rows, where there are any."""
        if self._best:
            self._learner.adopt(self._best)

    def harden_if_settled(self) -> None:
        """Fix the grouping ahead of time where that is wanted and the last summary shows nothing moving."""
        progress, summary = self._progress, self._progress.summary
        progress.quiet_epochs = 0 if summary.changed_last_epoch else progress.quiet_epochs + 1
        is_settled = progress.quiet_epochs >= QUIET_EPOCHS and summary.entropy < SETTLED_ENTROPY
        is_settled &= len(progress.joins) == self._config.assignment.surplus_categories
        if self._config.assignment.freeze_when_settled and is_settled and not progress.is_hardened:
            self.harden()
            progress.settled_epoch = progress.epoch

    def save_into(self, tensors: dict[str, Tensor]) -> None:
        """Add everything a resumed stage needs to `tensors`."""
        tensors["run.loss_sums"] = self._loss_sums
        tensors["run.frozen_soft"] = self._frozen_soft
        tensors |= {f"best.{name}": value for name, value in self._best.items()}
        self._learner.save_into(tensors)

    def restore_from(self, checkpoint: Checkpoint) -> None:
        """Put back what `save_into` took; the progress is restored by its owner, beforehand."""
        self._loss_sums = checkpoint.tensors["run.loss_sums"].to(self._data.device)
        self._frozen_soft = checkpoint.tensors["run.frozen_soft"].to(self._data.device)
        device = self._data.device
        self._best = {name: value.to(device) for name, value in checkpoint.section("best").items()}
        self._learner.restore_from(checkpoint, hardened=self._progress.is_hardened)

    @property
    def _freeze_epoch(self) -> int:
        return self._config.assignment.freeze_epoch(self._epochs)

    def _take_steps(self, should_stop: Callable[[], bool]) -> None:
        number, epoch = len(self._data.split.train), self._progress.epoch
        order = np.random.default_rng([self._config.training.seed, 1, epoch]).permutation(number)
        batches = torch.split(torch.from_numpy(order).to(self._data.device), self._batch_size)
        steps, learning = self._epochs * self.steps_per_epoch, self._learning()
        while self._progress.step_in_epoch < self.steps_per_epoch:
            if should_stop():
                raise Interrupted(f"stopped in epoch {epoch + 1}, before step {self.step + 1}")
            if self.step == 0:
                self._start()
            if not self._progress.is_hardened:
                self._learner.assignment.set_temperature(self.next_temperature())
            batch = self._draw(batches[self._progress.step_in_epoch])
            self._loss_sums += self._learner.step(batch, progress=self.step / steps, learning=learning)
            self._progress.step_in_epoch += 1

    def _draw(self, rows: Tensor) -> Tensor:
        """What a step learns from, for its places among the training rows, int64 [B]: float32 [B', D']."""
        times = math.ceil(MOVED_ROWS / len(rows))
        return self._smoother.draw(rows.repeat(times), max(self._progress.spread or 0.0, TRAINING_SPREAD))

    def _start(self) -> None:
        """Start the model, on rows moved as far as it pays; the start on the rows themselves is kept, too."""
        learner, data = self._learner, self._data
        self._progress.spread = choose_spread(learner, data, seed=self._config.training.seed)
        learner.adopt(self._new_start(self._progress.spread).state_dict())
        if self._progress.is_hardened:
            self._keep_if_best(self.model)
            self._keep_if_best(self._new_start(0.0))

    def _start_anew_if_better(self) -> None:
        """Leave what the soft assignment has trained where a start in the fixed grouping is better."""
        if not self._data.has_validation:
            return
        with OwnRandomness(self._config.training.seed + 2, self._data.device).scope():
            start, plain = self._new_start(self._progress.spread or 0.0), self._new_start(0.0)
        if self._judge(start) < self._judge(self.model):
            self._learner.adopt(start.state_dict())
        self._keep_if_best(self.model)
        self._keep_if_best(plain)

    def _new_start(self, spread: float) -> CategoricalVQVAE:
        return self._learner.started_anew(start_rows(self._smoother, spread))

    def _keep_if_best(self, model: CategoricalVQVAE) -> float | None:
        """The model's error on validation rows; None without such rows."""
        if not self._data.has_validation:
            return None
        error, best = self._judge(model), self._progress.best_error
        if self._progress.is_hardened and (best is None or error < best):
            self._progress.best_error, self._progress.best_epoch = error, self._progress.epoch
            self._best = {name: value.clone() for name, value in model.state_dict().items()}
        return error

    def _judge(self, model: CategoricalVQVAE) -> float:
        return self._learner.reconstruction_error(self._data.held_out[:JUDGE_ROWS], model=model)

    def _learning(self) -> Learning:
        """What moves in the present epoch."""
        if self._progress.is_hardened:
            return Learning.MODEL
        order = self._config.assignment.stages
        return learning_in(order, self._progress.epoch, freeze_epoch=self._freeze_epoch)

    def _end_epoch(self) -> None:
        progress = self._progress
        means = (self._loss_sums / self.steps_per_epoch).tolist()
        self._loss_sums.zero_()
        progress.step_in_epoch = 0
        progress.epoch += 1
        codebooks = self._learner.model.codebooks
        progress.codebook = summarize_codebooks(codebooks.usage_counts, codebooks.code_mask)
        signs = self._revive_codes()
        codebooks.reset_usage()
        surplus = self._config.assignment.surplus_categories
        self._join_surplus(joins_due(progress.epoch, surplus=surplus, freeze_epoch=self._freeze_epoch))
        if progress.epoch == self._freeze_epoch and not progress.is_hardened:
            self.harden()
            signs += self._find_flat_temperature()
        signs += self._find_collapsed_categories()
        progress.collapses = collapse.record_signs(progress.collapses, signs, progress.epoch)
        error = self._keep_if_best(self.model)
        progress.losses = dict(zip(LOSS_NAMES, means, strict=True)) | {"validation": error}
        progress.is_stopped_early |= self._is_done_early()

    def _is_done_early(self) -> bool:
        best = self._progress.best_epoch
        if best is None or not self._config.training.stops_early:
            return False
        return self._progress.epoch >= max(best, DECAY_FROM * self._epochs) + PATIENCE * self._epochs

    def _join_surplus(self, due: int) -> None:
        """Join categories until so many are gone."""
        joins = self._progress.joins
        if len(joins) >= due:
            return
        covariance = feature_covariance(self._data.train_scores, seed=self._config.training.seed)
        while len(joins) < due:
            gone, into = join_cheapest(
                self._learner.assignment, covariance, bits_per_feature=self._bits_per_feature
            )
            joins.append(Join(self._names[gone], self._names[into], self._progress.epoch))

    def _revive_codes(self) -> list[Sign]:
        """Move unused codes when it is time to; returns the dead codebooks of categories with features."""
        epoch, interval = self._progress.epoch, self._config.training.dead_code_interval_epochs
        is_due = epoch % interval == 0 and epoch < REVIVE_UNTIL * self._epochs
        moved = self._learner.revive_dead_codes(self._sample()) if is_due else None
        levels = self.model.shape.levels
        streams = {
            category * levels + level: f"{name}.{level}"
            for category, (name, size) in enumerate(self._sizes().items())
            for level in range(levels)
            if size > 0
        }
        return collapse.find_dead_codebooks(self.model.codebooks.usage_counts, moved, streams)

    def _find_flat_temperature(self) -> list[Sign]:
        assignment = self._learner.assignment
        return collapse.find_flat_temperature(
            self._frozen_soft,
            assignment.allowed,
            temperature=float(assignment.temperature),
            is_held=self._progress.held_temperature is not None,
        )

    def _find_collapsed_categories(self) -> list[Sign]:
        """Signs of emptied categories and, once each has features of its own, of duplicate ones."""
        gone = {each.category for each in self._progress.joins}
        signs = collapse.find_emptied(
            {name: size for name, size in self._sizes().items() if name not in gone},
            start_sizes=self._progress.start_sizes,
            found_sizes=self._found_sizes,
            are_pruned=self._config.assignment.leaves_out_empty,
        )
        if self._progress.is_hardened:
            rows = self._data.train_rows[: collapse.DUPLICATE_ROWS]
            signs += collapse.find_duplicates(self._learner.latents(self._data.features[rows]), self._names)
        return signs

    def _sizes(self) -> dict[str, int]:
        """Features of each category, by its name."""
        counts = torch.bincount(self.grouping(), minlength=len(self._names))
        return dict(zip(self._names, counts.tolist(), strict=True))

    def _sample(self) -> Tensor:
        """Some training rows, float32 [at most SAMPLE_ROWS, D']."""
        rows = self._data.train_rows
        return self._data.features[rows[torch.randperm(len(rows))[:SAMPLE_ROWS].to(rows.device)]]
