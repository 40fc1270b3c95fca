"""One training run: starts or resumes, trains an epoch at a time, and ends in a frozen model.

Every random choice comes from the seed and the saved generator state, so that a resumed run is the
uninterrupted one, bit for bit, on the same machine with the same number of threads.

Shapes: N rows, D uploaded features, D' active features, G categories.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.config import RunConfig
from catvq.features.prefixes import prepare_table
from catvq.features.table import FeatureTable
from catvq.frozen.artifact import FrozenModel
from catvq.frozen.start_model import StartModel
from catvq.grouping.categories import Categories
from catvq.grouping.choose_initial import StartReport
from catvq.model.metrics import summarize_assignment
from catvq.model.sizes import StreamSizes
from catvq.recipe import SEARCH_STEPS, choose_epochs
from catvq.search.stage import SearchStage, needs_search
from catvq.state.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from catvq.training.cleaned_rows import prepare_rows
from catvq.training.freezing.freeze import freeze
from catvq.training.freezing.inputs import FreezeInputs
from catvq.training.freezing.pruning import without_empty
from catvq.training.progress import Move, RunProgress, RunState
from catvq.training.run_origin import check_origin, describe_origin
from catvq.training.settled_start import settle_start
from catvq.training.stage.joint_stage import ModelStage
from catvq.training.stage.ranks import Ranks, count_ranks


class TrainingRun:
    """A run between its start and its frozen model; build it with `start` or `resume`.

    A run has two stages: with estimator "mirror", a search settles where the assignment starts; then the
    model trains, and the assignment with it.

    Args:
        table: The uploaded table.
        config: The run's configuration.
        cleaner: Fitted on the training rows.
        categories: Names, allowed categories and starting grouping.
        sizes: Of the model that the run goes on from, if any.
    """

    def __init__(
        self,
        table: FeatureTable,
        config: RunConfig,
        *,
        cleaner: FeatureCleaner,
        categories: Categories,
        sizes: StreamSizes | None = None,
    ) -> None:
        self.table = table
        self.config = config
        self.cleaner = cleaner
        self.categories = categories
        self._data = prepare_rows(table, config, cleaner, categories)
        device = self._data.device
        number = count_ranks(config.training, device)
        self._ranks = Ranks(number) if number > 1 else None
        self._grouping = torch.from_numpy(categories.grouping).to(device)
        one_hot = torch.eye(len(categories.names), device=device)[self._grouping]
        summary = summarize_assignment(one_hot, self._grouping)
        self._progress = RunProgress(summary, categories.sizes(), given_sizes=sizes)
        self._start_codes: Tensor | None = None
        self._search: SearchStage | None = None
        self._training = self._begin_training()
        self._summarize()

    @classmethod
    def start(
        cls,
        table: FeatureTable,
        config: RunConfig,
        start_groups: Mapping[str, Sequence[str]] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        start_model: StartModel | None = None,
    ) -> "TrainingRun":
        """Clean the table, settle the categories and build the model.

        Args:
            table: The uploaded table.
            config: The run's configuration.
            start_groups: With init "model", that model's groups; with init "user" the configuration has them.
            should_stop: Asked while the start is chosen.
            start_model: Goes on from this model, whose features the table has in their order.

        Raises:
            ConfigError: The configuration does not fit the table or this machine.
            Interrupted: `should_stop` said so; there is nothing to save yet.
        """
        started = time.monotonic()
        table = prepare_table(table, config)
        groups = config.assignment.groups if start_groups is None else start_groups
        settled = settle_start(table, config, groups, start_model, should_stop)
        sizes = None if start_model is None else start_model.sizes
        run = cls(table, config, cleaner=settled.cleaner, categories=settled.categories, sizes=sizes)
        if start_model is not None:
            run._training.take(start_model.weights)
            run._start_codes = start_model.weights.encode(run._data.held_out.cpu())
        run._progress.start = settled.report
        run._progress.seconds = time.monotonic() - started
        if needs_search(config, settled.categories, epochs=run._epochs):
            run._search = run._begin_search()
            run._progress.search_steps = SEARCH_STEPS
            run._summarize()
        return run

    @classmethod
    def resume(cls, table: FeatureTable, config: RunConfig, path: Path) -> "TrainingRun":
        """Continue from a checkpoint of the same table and configuration.

        Raises:
            CheckpointError: The file is torn, corrupt, or of another table or configuration.
        """
        checkpoint = load_checkpoint(path)
        table = prepare_table(table, config)
        document = checkpoint.document
        check_origin(checkpoint, path, table, config)
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
    def seconds(self) -> float:
        """Spent on the start and on training, over all attempts."""
        return self._progress.seconds

    @property
    def category_names(self) -> list[str]:
        """Names of the G categories."""
        return list(self.categories.names)

    @property
    def is_finished(self) -> bool:
        """Whether no epoch is left, by count, by `max_seconds` or by `finish`."""
        is_stopped = self._progress.is_stopped_early and self.epoch > 0
        return is_stopped or self.epoch >= self._epochs

    @property
    def moment(self) -> tuple[int, bool]:
        """Completed steps, and whether the search is over; moments of one run are ordered."""
        return self.state().step, self._search is None

    def finish(self) -> None:
        """Train no further than a first epoch: a search ends with what it found so far."""
        self._progress.is_stopped_early = True

    @property
    def next_temperature(self) -> float:
        """The temperature of the next step."""
        if self._search is not None:
            return self._search.next_temperature
        return self._training.next_temperature()

    def hold_temperature(self, temperature: float | None) -> None:
        """Step with this temperature from now on, whatever the schedule says; None follows it again.

        A held temperature stays when the search ends, and means nothing once the assignment is hardened.
        """
        self._progress.held_temperature = temperature
        if self._search is not None:
            self._search.hold_temperature(temperature)

    def train_epoch(self, should_stop: Callable[[], bool] = lambda: False) -> RunState:
        """Train to the end of the present epoch; while the start is settled, a part of that.

        Args:
            should_stop: Asked before every step.

        Raises:
            Interrupted: `should_stop` said so; the run can be saved here and goes on from this step.
        """
        started = time.monotonic()
        try:
            if self._search is not None:
                self._go_on_searching(self._search, should_stop)
            else:
                self._training.train_epoch(should_stop, lambda: self._is_time_up(started))
                self._note_moves(self._grouping, self._training.grouping())
                self._summarize()
                self._training.harden_if_settled()
            self._progress.is_stopped_early |= self._is_time_up(started)
        finally:
            self._progress.seconds += time.monotonic() - started
        return self.state()

    def state(self) -> RunState:
        """Where the run stands."""
        progress, epochs = self._progress, self._epochs
        searched = progress.search_steps if self._search is None else self._search.step_count
        return RunState(
            epoch=self.epoch,
            epochs=epochs,
            step=searched + self._training.step,
            steps=progress.search_steps + epochs * self._training.steps_per_epoch,
            temperature=(self._search or self._training).temperature,
            losses=dict(progress.losses),
            assignment=progress.summary,
            codebook=progress.codebook,
            collapses=list(progress.collapses),
            settled_epoch=progress.settled_epoch,
            joins=list(progress.joins),
            moves=list(progress.moves),
            best_epoch=progress.best_epoch,
            spread=progress.spread,
        )

    def soft_assignment(self) -> NDArray[np.float32]:
        """The soft assignment of every uploaded feature, float32 [D, G]; rows sum to 1.

        Once hardened, it stays as it was at that moment.
        """
        return self.categories.expand(self._soft().cpu().numpy(), self.cleaner)

    def save(self, path: Path) -> None:
        """Write a checkpoint that `resume` continues from, atomically."""
        tensors: dict[str, Tensor] = {"run.grouping": self._grouping}
        if self._start_codes is not None:
            tensors["run.start_codes"] = self._start_codes
        tensors |= {f"categories.{name}": value for name, value in self.categories.tensors().items()}
        (self._search or self._training).save_into(tensors)
        document = {
            **describe_origin(self.table, self.config),
            "categories": list(self.categories.names),
            "cleaner": self.cleaner.to_dict(),
            "progress": self._progress.to_dict(),
            "is_searching": self._search is not None,
            "device": str(self._data.device),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }
        save_checkpoint(path, Checkpoint(tensors, document))

    def freeze(self) -> FrozenModel:
        """Freeze the assignment into hard groups and verify that the codes stay the same.

        Raises:
            FreezeError: The frozen model's codes differ from the unfrozen model's under hard assignment.
        """
        if self._search is not None:
            self._settle(self._search)
        if not self._progress.is_hardened:
            self._training.harden()
            self._note_moves(self._grouping, self._training.grouping())
        if self._ranks is not None:
            self._ranks.close()
        self._training.keep_best()
        self._training.model.codebooks.retire_twins(len(self.categories.names))
        inputs = FreezeInputs(
            table=self.table,
            config=self.config,
            cleaner=self.cleaner,
            categories=self.categories,
            model=self._training.model,
            grouping=self._training.grouping(),
            soft=self.soft_assignment(),
            data=self._data,
            gap=self._progress.gap,
            search=self._progress.search,
            start=self._progress.start,
            start_codes=self._start_codes,
            state=self.state(),
        )
        return freeze(without_empty(inputs) if self.config.assignment.leaves_out_empty else inputs)

    @property
    def _epochs(self) -> int:
        return choose_epochs(self.config.training, len(self._data.split.train))

    def _is_time_up(self, started: float) -> bool:
        """Whether `max_seconds` are over, with those since a moment that are not counted yet."""
        limit = self.config.training.max_seconds
        return limit is not None and self._progress.seconds + time.monotonic() - started >= limit

    def _begin_search(self) -> SearchStage:
        return SearchStage(self.config, self.categories, data=self._data)

    def _begin_training(self) -> ModelStage:
        return ModelStage(
            self.config, self.categories, data=self._data, progress=self._progress, ranks=self._ranks
        )

    def _go_on_searching(self, search: SearchStage, should_stop: Callable[[], bool]) -> None:
        if not (self._progress.is_stopped_early or search.is_done):
            search.advance(should_stop)
            self._summarize()
        if self._progress.is_stopped_early or search.is_done:
            self._settle(search)

    def _settle(self, search: SearchStage) -> None:
        """Begin to train the model from what the search has found so far."""
        found = search.soft().argmax(dim=1)
        self._note_moves(torch.from_numpy(self.categories.grouping), found)
        grouping = found.cpu().numpy()
        self.categories = dataclasses.replace(self.categories, grouping=grouping)
        self._progress.start = (self._progress.start or {}) | asdict(StartReport("searched"))
        self._progress.search = asdict(search.summary())
        self._search = None
        self._training = self._begin_training()
        self._summarize()

    def _soft(self) -> Tensor:
        return (self._search or self._training).soft()

    def _note_moves(self, before: Tensor, after: Tensor) -> None:
        """Take down which features have changed their category, int64 [D'] each."""
        names, changed = self.categories.names, (before.cpu() != after.cpu()).nonzero().squeeze(1)
        for feature in changed.tolist():
            name = self.table.features[self.cleaner.active[feature]]
            left, into = names[int(before[feature])], names[int(after[feature])]
            self._progress.moves.append(Move(name, left, into, self.epoch))

    def _summarize(self) -> None:
        """Summarise the soft assignment against the one summarised before."""
        soft = self._soft()
        self._progress.summary = summarize_assignment(soft, self._grouping)
        self._grouping = soft.argmax(dim=1)

    def _restore(self, checkpoint: Checkpoint) -> None:
        self._progress = RunProgress.from_dict(checkpoint.document["progress"])
        self._grouping = checkpoint.tensors["run.grouping"].to(self._data.device)
        self._start_codes = checkpoint.tensors.get("run.start_codes")
        self._training = self._begin_training()
        if checkpoint.document["is_searching"]:
            self._search = self._begin_search()
            self._search.hold_temperature(self._progress.held_temperature)
        (self._search or self._training).restore_from(checkpoint)
