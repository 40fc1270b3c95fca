"""Blocks of families: features of different ones never share a category.

Shapes: D uploaded features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catvq.config import RunConfig
from catvq.errors import ConfigError
from catvq.features.table import FeatureTable

SHARED = "category"  # name of the block of all families that are not kept apart


@dataclass(frozen=True)
class Blocks:
    """Which features may share a category.

    Attributes:
        names: Of the blocks: a family, or `SHARED`.
        of_feature: Number of each uploaded feature's block, int64 [D].
    """

    names: tuple[str, ...]
    of_feature: NDArray[np.int64]

    @classmethod
    def of(cls, table: FeatureTable, config: RunConfig) -> "Blocks | None":
        """The blocks of a run; None where all features may share a category.

        Raises:
            ConfigError: A family that is to have categories of its own is not there.
        """
        family, names = table.family_of_feature(), tuple(table.families)
        isolated = config.assignment.isolated_families
        if unknown := set(isolated) - set(names):
            raise ConfigError(f"isolated_families: there are no families {sorted(unknown)}")
        if config.keeps_families or set(names) <= {*isolated}:
            return cls(names, family)
        if not isolated:
            return None
        own = [name for name in names if name in isolated]
        number = np.array([own.index(name) if name in isolated else len(own) for name in names])
        return cls((*own, SHARED), number[family])
