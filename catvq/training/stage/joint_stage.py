"""The second stage of a run: trains the model, and the assignment with it until that is hardened.

A model starts where classical quantisation ends, and is trained on from there on rows from around the
training rows. While the assignment is soft, two are trained: one by the soft assignment, and its successor by
the hard starting grouping. If no feature has moved when the assignment is hardened, the successor takes over:
it is then the model that a static run would have. What the stage ends with is its best epoch on the
validation rows in the final grouping.

Shapes: N rows, D' active features, G categories.
"""

import copy
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from catvq.config import RunConfig
from catvq.errors import Interrupted
from catvq.features.row_weights import order_rows
from catvq.features.rows import RunData
from catvq.frozen.weights import FrozenWeights
from catvq.grouping.categories import Categories
from catvq.grouping.merging import joins_due
from catvq.model.losses import LOSS_NAMES
from catvq.model.metrics import summarize_codebooks
from catvq.model.routing import HardRouting
from catvq.model.smoothing import TRAINING_SPREAD, Smoother
from catvq.model.vqvae import CategoricalVQVAE
from catvq.recipe import choose_batch_size, choose_epochs
from catvq.state.checkpoint import Checkpoint
from catvq.training.collapse import record_signs
from catvq.training.progress import RunProgress, SoftToHardGap
from catvq.training.stage.alternation import Learning, learning_in
from catvq.training.stage.best_model import BestModel
from catvq.training.stage.build import build_learner, temperature_schedule
from catvq.training.stage.dead_codes import Reviver
from catvq.training.stage.early_stopping import is_done_early
from catvq.training.stage.epoch_signs import SignFinder
from catvq.training.stage.joins import Joiner
from catvq.training.stage.model_start import Starter
from catvq.training.stage.ranks import Ranks
from catvq.training.stage.trainer import Learner

MOVED_ROWS = 128  # least rows of a step where they are moved: small batches are drawn around more than once
QUIET_EPOCHS = 5
SETTLED_ENTROPY = 0.01  # of the largest: in no measured run a feature moved later; below 0.02 in four of nine


class ModelStage:
    """Trains epoch by epoch; static mode hardens before the first.

    Args:
        config: The run's configuration.
        categories: Where the assignment starts.
        data: What to learn from.
        progress: Kept up to date: epoch, step, losses, codebook, gap and whether hardened.
        ranks: The processes that divide each step; this one alone when not given.
    """

    def __init__(
        self,
        config: RunConfig,
        categories: Categories,
        *,
        data: RunData,
        progress: RunProgress,
        ranks: Ranks | None = None,
    ) -> None:
        self._config = config
        self._data = data
        self._progress = progress
        self._ranks = ranks
        self._names = categories.names
        self._joiner = Joiner(config, categories, rows=len(data.split.train))
        self._schedule = temperature_schedule(config)
        self._signs = SignFinder(config, data, progress, categories.sizes())
        self._learner = self._build_learner(categories)
        self._starting_grouping = self.grouping()
        self._successor: Learner | None = None
        self._smoother = Smoother(
            data.features, data.train_rows, seed=config.training.seed, weights=data.train_weights
        )
        self._starter = Starter(data, self._smoother, seed=config.training.seed)
        self._best = BestModel(data, progress)
        self._batch_size = choose_batch_size(config.training, len(data.split.train))
        self._epochs = choose_epochs(config.training, len(data.split.train))
        self._reviver = Reviver(config.training, data, epochs=self._epochs)
        self._loss_sums = torch.zeros(len(LOSS_NAMES), device=data.device)
        self._frozen_soft = self._learner.assignment.soft().detach()
        if self._freeze_epoch == 0 and not progress.is_hardened:
            self.harden()
        if not progress.is_hardened:
            self._successor = self._build_learner(categories)
            self._successor.assignment = self._learner.assignment
            self._successor.harden()

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

    def take(self, weights: FrozenWeights) -> None:
        """Go on from the weights of a frozen model, in its grouping.

        Raises:
            ConfigError: It has other sizes.
        """
        model = copy.deepcopy(self._learner.model).cpu()
        grouping = self._data.owners.spread(self.grouping()).cpu()
        weights.unpack_into(model, HardRouting.from_grouping(grouping, len(self._names)))
        self._learner.adopt(model.state_dict())

    def train_epoch(
        self, should_stop: Callable[[], bool], is_over: Callable[[], bool] = lambda: False
    ) -> None:
        """Train to the end of the present epoch.

        Args:
            should_stop: Asked before every step.
            is_over: Asked after every step; the epoch then ends with the steps that it has.

        Raises:
            Interrupted: `should_stop` said so; the stage can be saved here and goes on from this step.
        """
        self._take_steps(should_stop, is_over)
        self._end_epoch()

    def harden(self) -> None:
        """Fix the grouping, and measure what going from soft to hard costs when it was learnt."""
        self._join(self._config.assignment.surplus_categories)
        learner, data = self._learner, self._data
        self._frozen_soft = learner.assignment.soft().detach()
        if self._config.assignment.mode == "learnable" and self.step > 0:
            held_out, cells = data.held_out, data.cells(data.held_out_rows)
            self._progress.gap = SoftToHardGap(
                soft_error=learner.reconstruction_error(held_out, cells),
                hard_error=learner.reconstruction_error(held_out, cells, hard=True),
                rows="validation" if data.has_validation else "train",
                epoch=self._progress.epoch,
            )
        self._progress.is_hardened = True
        self._drop_successor_if_moved()
        if self._successor is not None:
            self._learner, self._successor = self._successor, None
            return
        learner.harden()
        if self.step > 0:
            self._starter.begin_anew_if_better(learner, self._best, self._progress.spread or 0.0)

    def keep_best(self) -> None:
        """Go back to the best epoch on validation rows, where there are any."""
        self._best.hand_to(self._learner)

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
        self._best.save_into(tensors)
        self._learner.save_into(tensors)
        if self._successor is not None:
            own: dict[str, Tensor] = {}
            self._successor.save_into(own)
            tensors |= {f"successor.{name}": own[name] for name in own if not name.startswith("assignment")}

    def restore_from(self, checkpoint: Checkpoint) -> None:
        """Put back what `save_into` took; the progress is restored by its owner, beforehand."""
        self._loss_sums = checkpoint.tensors["run.loss_sums"].to(self._data.device)
        self._frozen_soft = checkpoint.tensors["run.frozen_soft"].to(self._data.device)
        self._best.restore_from(checkpoint)
        self._learner.restore_from(checkpoint, hardened=self._progress.is_hardened)
        own = checkpoint.section("successor")
        if self._successor is not None and own:
            shared = {n: value for n, value in checkpoint.tensors.items() if n.startswith("assignment.")}
            self._successor.restore_from(Checkpoint(shared | own, {}), hardened=False)
        else:
            self._successor = None

    @property
    def _freeze_epoch(self) -> int:
        return self._config.assignment.freeze_epoch(self._epochs)

    def _build_learner(self, categories: Categories) -> Learner:
        learner = build_learner(
            self._config,
            categories,
            family_one_hot=self._data.family_one_hot,
            rows=len(self._data.split.train),
            device=self._data.device,
            owners=self._data.owners,
            leader=self._data.leader,
            sizes=self._progress.given_sizes,
        )
        if self._ranks is not None:
            learner.model_terms = self._ranks.model_terms
        return learner

    def _take_steps(self, should_stop: Callable[[], bool], is_over: Callable[[], bool]) -> None:
        number, epoch = len(self._data.split.train), self._progress.epoch
        generator = np.random.default_rng([self._config.training.seed, 1, epoch])
        order = order_rows(number, self._data.train_weights, generator)
        batches = torch.split(torch.from_numpy(order).to(self._data.device), self._batch_size)
        learning = self._learning()
        while self._progress.step_in_epoch < self.steps_per_epoch:
            if should_stop():
                raise Interrupted(f"stopped in epoch {epoch + 1}, before step {self.step + 1}")
            if self.step == 0:
                self._start(should_stop)
            if not self._progress.is_hardened:
                self._learner.assignment.set_temperature(self.next_temperature())
            rows = batches[self._progress.step_in_epoch]
            self._loss_sums += self._take_step(self._learner, rows, learning)
            if self._successor is not None:
                self._take_step(self._successor, rows, Learning.MODEL)
            self._progress.step_in_epoch += 1
            if is_over():
                break

    def _take_step(self, learner: Learner, rows: Tensor, learning: Learning) -> Tensor:
        with learner.randomness.scope():
            done = self.step / (self._epochs * self.steps_per_epoch)
            rows = self._repeat(rows)
            drawn = self._smoother.draw(rows, max(self._progress.spread or 0.0, TRAINING_SPREAD))
            return learner.step(drawn, self._data.train_cells(rows), progress=done, learning=learning)

    def _repeat(self, rows: Tensor) -> Tensor:
        """The rows that a step learns from: so often that there are enough of them."""
        return rows.repeat(math.ceil(MOVED_ROWS / len(rows)))

    def _start(self, should_stop: Callable[[], bool]) -> None:
        """Start the models; one that is gone on from is as it is, and may be the best."""
        if self._progress.given_sizes is not None:
            self._best.offer(self._learner)
            return
        self._progress.spread = self._starter.begin(
            self._learner, self._successor, self._best, should_stop=should_stop
        )

    def _drop_successor_if_moved(self) -> None:
        """Give up the model of the starting grouping once a feature has left it."""
        if self._successor is not None and not torch.equal(self.grouping(), self._starting_grouping):
            self._successor = None
            self._best.forget()

    def _learning(self) -> Learning:
        """What moves in the present epoch."""
        if self._progress.is_hardened:
            return Learning.MODEL
        order = self._config.assignment.stages
        return learning_in(order, self._progress.epoch, freeze_epoch=self._freeze_epoch)

    def _join(self, due: int) -> None:
        """Join categories until so many are gone."""
        progress = self._progress
        if len(progress.joins) < due:
            progress.joins += self._joiner.join(
                self._learner.assignment,
                self._data.train_scores,
                number=due - len(progress.joins),
                epoch=progress.epoch,
            )

    def _end_epoch(self) -> None:
        progress = self._progress
        means = (self._loss_sums / progress.step_in_epoch).tolist()
        self._loss_sums.zero_()
        progress.step_in_epoch = 0
        progress.epoch += 1
        codebooks = self._learner.model.codebooks
        progress.codebook = summarize_codebooks(codebooks.usage_counts, codebooks.code_mask)
        # Codes that these rows do not use may mean something to those of the model that the run goes on from.
        is_due = progress.given_sizes is None and self._reviver.is_due(progress.epoch)
        revived = self._reviver.revive(self._learner) if is_due else None
        signs = self._signs.dead_codebooks(self._learner, revived)
        codebooks.reset_usage()
        if self._successor is not None:
            if is_due:
                self._reviver.revive(self._successor)
            self._successor.model.codebooks.reset_usage()
        surplus = self._config.assignment.surplus_categories
        self._join(joins_due(progress.epoch, surplus=surplus, freeze_epoch=self._freeze_epoch))
        if progress.epoch == self._freeze_epoch and not progress.is_hardened:
            self.harden()
            signs += self._signs.flat_temperature(self._learner, self._frozen_soft)
        signs += self._signs.collapsed_categories(self._learner)
        progress.collapses = record_signs(progress.collapses, signs, progress.epoch)
        self._drop_successor_if_moved()
        if self._successor is not None:
            self._best.offer(self._successor)
        error = (self._best.offer if progress.is_hardened else self._best.judge)(self._learner)
        progress.losses = dict(zip(LOSS_NAMES, means, strict=True)) | {"validation": error}
        progress.is_stopped_early |= is_done_early(
            self._config.training, progress, error, epochs=self._epochs, freeze_epoch=self._freeze_epoch
        )
