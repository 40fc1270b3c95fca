"""Encodes whole tables with a frozen model from its files: with ONNX on CPU, with torch on GPU.

Shapes: N rows, B rows of a batch, D tabular features, S streams.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.descriptors.describe import Describer
from catvq.descriptors.family import ChannelFamily
from catvq.errors import ShapeError
from catvq.features.batches import batches
from catvq.features.precision import Values
from catvq.features.sequences import Sequences
from catvq.frozen.artifact import token_names
from catvq.frozen.weights import FrozenWeights
from catvq.onnx_session import open_session

ROWS_ON_CPU = 256  # activations then stay in a core's cache
ROWS_ON_GPU = 4096  # bounds the memory of all distances at once

Codes: TypeAlias = NDArray[np.int64]
Inputs: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class TableEncoder:
    """Encodes any number of rows with a frozen model; only near-ties may differ between devices.

    Attributes:
        features: Names of all features, in order: of the columns of rows, then of channels.
        tokens: Names of each category's codes, from coarse to fine.
        dtype: Type of the rows that it computes with, float32 or float64.
        values: Of each feature, the names of its values, whose indices rows hold; None where it has none.
        origins: From when the features that are times count their seconds, ISO 8601.
        families: Those of series and grids.
    """

    features: tuple[str, ...]
    tokens: dict[str, tuple[str, ...]]
    dtype: np.dtype[Any]
    values: tuple[tuple[str, ...] | None, ...]
    origins: Mapping[str, str]
    families: tuple[ChannelFamily, ...]
    _run: Callable[[Inputs], Codes]
    _rows_at_once: int

    @classmethod
    def read(cls, directory: Path, device: torch.device) -> "TableEncoder":
        """Load a frozen model from its directory.

        Raises:
            FileNotFoundError: The model does not exist.
        """
        document = json.loads((directory / "model.json").read_bytes())
        names = token_names(document["categories"], document["levels"])
        is_on_cpu = device.type == "cpu"
        return cls(
            tuple(document["features"]),
            dict(zip(document["categories"], names, strict=True)),
            np.dtype(document["rows_dtype"]),
            tuple(None if names is None else tuple(names) for names in document["values"]),
            {
                name: origin
                for name, origin in zip(document["features"], document["origins"], strict=True)
                if origin is not None
            },
            tuple(ChannelFamily.from_document(each) for each in document["kinds"]),
            _onnx(directory) if is_on_cpu else _torch(directory, document, device),
            ROWS_ON_CPU if is_on_cpu else ROWS_ON_GPU,
        )

    @property
    def num_tabular(self) -> int:
        """D."""
        return len(self.features) - sum(len(family.channels) for family in self.families)

    def encode(self, rows: Values, others: Mapping[str, Sequences] = MappingProxyType({})) -> Codes:
        """Encode rows in raw units, NaN where missing: float32 or float64 [N, D] -> int64 [N, S].

        What is no index of a categorical feature's value counts as missing.

        Args:
            rows: The tabular features; of N rows also where D is 0.
            others: The values of the model's families of series and grids, by name.

        Raises:
            ShapeError: There are no rows, or they or a family have another shape.
        """
        if rows.ndim != 2 or not len(rows) or rows.shape[1] != self.num_tabular:
            raise ShapeError(f"needed rows of {self.num_tabular} values, got shape {rows.shape}")
        for family in self.families:
            self._check_family(family, others.get(family.name), len(rows))
        with np.errstate(over="ignore"):  # what is beyond float32 is held within the bounds, as infinite
            rows = np.asarray(rows, dtype=self.dtype)
        codes = np.empty((len(rows), sum(map(len, self.tokens.values()))), dtype=np.int64)
        own = {family.name: others[family.name] for family in self.families}
        for batch in batches(rows, own, self._rows_at_once):
            codes[batch.places] = self._run(batch.inputs)
        return codes

    @staticmethod
    def _check_family(family: ChannelFamily, other: Sequences | None, num_rows: int) -> None:
        wanted = (num_rows, len(family.channels), family.shape)
        found = None if other is None else (other.num_rows, other.num_channels, other.shape)
        if found != wanted:
            raise ShapeError(f"family {family.name!r} needs rows, channels and shape {wanted}, got {found}")


def _onnx(directory: Path) -> Callable[[Inputs], Codes]:
    session = open_session(directory / "encoder.onnx", threads=torch.get_num_threads())

    def run(inputs: Inputs) -> Codes:
        codes: Codes = session.run(["codes"], dict(inputs))[0]
        return codes

    return run


def _torch(directory: Path, document: dict[str, Any], device: torch.device) -> Callable[[Inputs], Codes]:
    weights = FrozenWeights(**load_file(directory / "model.safetensors", device=str(device)))
    cleaner = FeatureCleaner.from_dict(document["cleaner"])
    families = [ChannelFamily.from_document(each) for each in document["kinds"]]
    describers = [Describer(family, threads=torch.get_num_threads()) for family in families]

    @torch.no_grad()
    def run(inputs: Inputs) -> Codes:
        found = [describer.describe(inputs) for describer in describers]
        numbers = [each.reshape(len(each), -1).astype(cleaner.dtype, copy=False) for each in found]
        rows = np.concatenate([inputs["rows"], *numbers] if "rows" in inputs else numbers, axis=1)
        features = torch.from_numpy(cleaner.normalize(rows)).to(device)
        codes: Codes = weights.encode(features).cpu().numpy()
        return codes

    return run
