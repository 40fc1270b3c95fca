"""Looks for collapses at the end of an epoch, in the model and assignment as they then stand."""

import torch
from torch import Tensor

from catvq.config import RunConfig
from catvq.features.rows import RunData
from catvq.training import collapse
from catvq.training.collapse import Sign
from catvq.training.progress import RunProgress
from catvq.training.stage.trainer import Learner


class SignFinder:
    """Finds the signs of collapses, see `collapse`.

    Args:
        config: The run's configuration.
        data: What the run learns from.
        progress: Where it stands; only read.
        found_sizes: Features of each category, by its name, where the model's training started.
    """

    def __init__(
        self, config: RunConfig, data: RunData, progress: RunProgress, found_sizes: dict[str, int]
    ) -> None:
        self._config = config
        self._data = data
        self._progress = progress
        self._found_sizes = found_sizes

    def dead_codebooks(self, learner: Learner, moved: Tensor | None) -> list[Sign]:
        """Dead codebooks of categories with features, by the usage since it was reset.

        Args:
            learner: Whose model is looked at.
            moved: Number of codes of each stream that were revived, int64 [S]; None where it was not time.
        """
        levels = learner.model.shape.levels
        streams = {
            category * levels + level: f"{name}.{level}"
            for category, (name, size) in enumerate(self._sizes(learner).items())
            for level in range(levels)
            if size > 0
        }
        return collapse.find_dead_codebooks(learner.model.codebooks.usage_counts, moved, streams)

    def flat_temperature(self, learner: Learner, frozen_soft: Tensor) -> list[Sign]:
        """Whether the assignment, float32 [D', G], was still soft when it was made hard."""
        assignment = learner.assignment
        return collapse.find_flat_temperature(
            frozen_soft,
            assignment.allowed,
            temperature=float(assignment.temperature),
            is_held=self._progress.held_temperature is not None,
        )

    def collapsed_categories(self, learner: Learner) -> list[Sign]:
        """Emptied categories and, once each has features of its own, duplicate ones."""
        gone = {each.category for each in self._progress.joins}
        signs = collapse.find_emptied(
            {name: size for name, size in self._sizes(learner).items() if name not in gone},
            start_sizes=self._progress.start_sizes,
            found_sizes=self._found_sizes,
            are_pruned=self._config.assignment.leaves_out_empty,
        )
        if self._progress.is_hardened:
            rows = self._data.train_rows[: collapse.DUPLICATE_ROWS]
            latents = learner.latents(self._data.features[rows])
            signs += collapse.find_duplicates(latents, list(self._found_sizes))
        return signs

    def _sizes(self, learner: Learner) -> dict[str, int]:
        """Features of each category, by its name."""
        counts = torch.bincount(learner.assignment.grouping(), minlength=len(self._found_sizes))
        return dict(zip(self._found_sizes, counts.tolist(), strict=True))
