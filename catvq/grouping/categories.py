"""The categories of a run, and the initial grouping of its features.

Shapes: D uploaded features, D' active features (those left after cleaning), G categories.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.cleaning.kept_columns import CONSTANT
from catvq.grouping.partitions import logits_from_grouping
from catvq.grouping.together import tie

HARD_LOGIT = -1e9  # softmax gives exactly zero at every temperature above the floor


@dataclass(frozen=True)
class Categories:
    """The categories of a run and the initial grouping of its features.

    Attributes:
        names: Length G.
        grouping: int64 [D'], initial category of each active feature.
        allowed: bool [D', G], categories that each active feature may join.
        resting: float32 [D, G], rows sum to 1: assignment of uploaded features that are constant, from which
            nothing can be learnt.
        separation: Share of the dependence within categories of the initial grouping, see
            `spectral.separation`; 0 if it was not computed.
        leader: The feature that each uploaded feature follows, int64 [D]; None where none follows another.
    """

    names: tuple[str, ...]
    grouping: NDArray[np.int64]
    allowed: Tensor
    resting: NDArray[np.float32]
    separation: float = 0.0
    leader: NDArray[np.int64] | None = None

    def start_logits(self, *, is_hard: bool) -> Tensor:
        """Initial logits, which favour the initial grouping, float32 [D', G].

        Args:
            is_hard: Whether the grouping is final; if not, the softmax does not saturate and can be trained.
        """
        if is_hard:
            one_hot = F.one_hot(torch.from_numpy(self.grouping), len(self.names)).float()
            return one_hot.log().clamp_min(HARD_LOGIT)
        return torch.from_numpy(
            logits_from_grouping(self.grouping, len(self.names), allowed=self.allowed.numpy())
        )

    def expand(self, soft: NDArray[np.float32], cleaner: FeatureCleaner) -> NDArray[np.float32]:
        """Expand from active to uploaded features, float32 [D', G] -> [D, G]; duplicates get equal rows."""
        is_constant = cleaner.stands_on == CONSTANT
        rows = np.where(is_constant[:, None], self.resting, soft[cleaner.position]).astype(np.float32)
        return rows if self.leader is None else rows[self.leader]

    def active_leader(self, cleaner: FeatureCleaner) -> NDArray[np.int64] | None:
        """The active feature that each one follows, int64 [D']; None where none follows another."""
        return None if self.leader is None else cleaner.position[self.leader[cleaner.active]]

    def tied(self, cleaner: FeatureCleaner) -> "Categories":
        """The same with an initial grouping in which features are where those are that they follow."""
        return replace(self, grouping=tie(self.grouping, self.active_leader(cleaner)))

    def members(self, features: Sequence[str], cleaner: FeatureCleaner) -> dict[str, list[str]]:
        """Names of the uploaded features of each category in the initial grouping, by its name."""
        one_hot = np.eye(len(self.names), dtype=np.float32)[self.grouping]
        category = self.expand(one_hot, cleaner).argmax(axis=1)
        return {
            name: [features[feature] for feature in np.flatnonzero(category == number).tolist()]
            for number, name in enumerate(self.names)
        }

    def sizes(self) -> dict[str, int]:
        """Number of active features of each category in the initial grouping, by name."""
        counts = np.bincount(self.grouping, minlength=len(self.names))
        return dict(zip(self.names, counts.tolist(), strict=True))

    def tensors(self) -> dict[str, Tensor]:
        """Return all fields but the names as tensors, for a checkpoint."""
        return {
            "grouping": torch.from_numpy(self.grouping),
            "allowed": self.allowed,
            "resting": torch.from_numpy(self.resting),
            "separation": torch.tensor(self.separation, dtype=torch.float64),
        } | ({} if self.leader is None else {"leader": torch.from_numpy(self.leader)})

    @classmethod
    def from_tensors(cls, names: Sequence[str], tensors: Mapping[str, Tensor]) -> "Categories":
        """Restore from names and the result of `tensors`."""
        return cls(
            tuple(names),
            tensors["grouping"].numpy(),
            tensors["allowed"],
            tensors["resting"].numpy(),
            float(tensors["separation"]),
            tensors["leader"].numpy() if "leader" in tensors else None,
        )
