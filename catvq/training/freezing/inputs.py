"""What a finished run hands over to be frozen.

Shapes: D uploaded features, D' active features, G categories, S streams.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.config import RunConfig
from catvq.features.owners import ColumnOwners
from catvq.features.rows import RunData
from catvq.features.table import FeatureTable
from catvq.grouping.categories import Categories
from catvq.model.vqvae import CategoricalVQVAE
from catvq.training.progress import RunState, SoftToHardGap


@dataclass(frozen=True, kw_only=True)
class FreezeInputs:
    """What a finished run hands over.

    Attributes:
        grouping: int64 [D'].
        soft: float32 [D, G], as it was when hardened.
        data: The normalised rows, and which train, validate and test.
        gap: None in static mode.
        search: How the search's restarts compare; None where the assignment was not searched for.
        start: How the start was chosen; None where there was nothing to choose.
        start_codes: Of the held-out rows by the model that the run went on from, int64 [rows, S]; else None.
        pruned: Names of categories that were left out already, see `pruning`.
    """

    table: FeatureTable
    config: RunConfig
    cleaner: FeatureCleaner
    categories: Categories
    model: CategoricalVQVAE
    grouping: Tensor
    soft: NDArray[np.float32]
    data: RunData
    gap: SoftToHardGap | None
    search: dict[str, Any] | None
    start: dict[str, Any] | None
    state: RunState
    start_codes: Tensor | None = None
    pruned: tuple[str, ...] = ()

    @property
    def owners(self) -> ColumnOwners:
        """Which active feature each column belongs to, on the CPU."""
        return ColumnOwners(torch.from_numpy(self.cleaner.feature_of_column), len(self.grouping))
