"""A frozen model that a run goes on from: its weights, its cleaning, and what its tables look like.

Shapes: D features, S streams.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.errors import ConfigError
from catvq.features.align import align
from catvq.features.sequences import Grids, Sequences, Series
from catvq.features.table import FeatureTable
from catvq.frozen.weights import FrozenWeights
from catvq.model.sizes import StreamSizes


@dataclass(frozen=True, kw_only=True)
class StartModel:
    """What a run takes over, so that codes keep their meaning as far as training leaves it.

    Attributes:
        weights: Of its categories, whose features its grouping names.
        cleaner: Of its training rows.
        sizes: Of its streams.
        table: Without rows: its features in their order, values and origins.
    """

    weights: FrozenWeights
    cleaner: FeatureCleaner
    sizes: StreamSizes
    table: FeatureTable

    @classmethod
    def read(cls, directory: Path) -> "StartModel":
        """Load it from the directory of a frozen model.

        Raises:
            FileNotFoundError: The model does not exist.
        """
        document = json.loads((directory / "model.json").read_bytes())
        return cls(
            weights=FrozenWeights(**load_file(directory / "model.safetensors")),
            cleaner=FeatureCleaner.from_dict(document["cleaner"]),
            sizes=StreamSizes(*(tuple(chain(*document[name])) for name in ("codebook_size", "latent_dim"))),
            table=_table_of(document),
        )

    def align(self, table: FeatureTable) -> FeatureTable:
        """Return a table with the model's features in their order, its values and its type.

        Raises:
            ConfigError: The table has other features, or values that the model does not know.
        """
        if set(table.features) != set(self.table.features):
            raise ConfigError("the model to start from has other features")
        own = align(table, self.table)
        parts = {part: align(other, self.table) for part, other in table.held_out.items()}
        return replace(own, families=table.families, keys=table.keys, held_out=parts)


def _table_of(document: Mapping[str, Any]) -> FeatureTable:
    features, others = tuple(document["features"]), dict[str, Sequences]()
    for kind in document["kinds"]:
        size = (0, len(kind["channels"]))
        if kind["shape"] is None:
            others[kind["family"]] = Series.divide(np.empty(size, np.float32), np.zeros(1, np.int64))
        else:
            others[kind["family"]] = Grids(np.empty((*size, *kind["shape"]), np.float32))
    channels = sum(other.num_channels for other in others.values())
    return FeatureTable(
        np.empty((0, len(features) - channels), np.dtype(document["rows_dtype"])),
        features,
        {name: tuple(members) for name, members in document["families"].items()},
        _by_name(features, document["values"], tuple),
        origins=_by_name(features, document["origins"], str),
        others=others,
    )


def _by_name(features: tuple[str, ...], values: list[Any], kind: type) -> dict[str, Any]:
    return {name: kind(value) for name, value in zip(features, values, strict=True) if value is not None}
