"""Encodes whole tables with a frozen model from its files: with ONNX on CPU, with torch on GPU.

Shapes: N rows, D uploaded features, S streams.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from catvq.errors import ShapeError
from catvq.features.cleaner import FeatureCleaner
from catvq.features.precision import Values
from catvq.frozen.artifact import token_names
from catvq.frozen.weights import FrozenWeights

ROWS_ON_CPU = 256  # activations then stay in a core's cache
ROWS_ON_GPU = 4096  # bounds the memory of all distances at once

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class TableEncoder:
    """Encodes any number of rows with a frozen model; only near-ties may differ between devices.

    Attributes:
        features: Names of the input columns, in order.
        tokens: Names of each category's codes, from coarse to fine.
        dtype: Type of the rows that it computes with, float32 or float64.
        values: Of each feature, the names of its values, whose indices rows hold; None where it is numeric.
        origins: From when the features that are times count their seconds, ISO 8601.
    """

    features: tuple[str, ...]
    tokens: dict[str, tuple[str, ...]]
    dtype: np.dtype[Any]
    values: tuple[tuple[str, ...] | None, ...]
    origins: Mapping[str, str]
    _run: Callable[[Values], Codes]
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
            _onnx(directory) if is_on_cpu else _torch(directory, document, device),
            ROWS_ON_CPU if is_on_cpu else ROWS_ON_GPU,
        )

    def encode(self, rows: Values) -> Codes:
        """Encode rows in raw units, NaN where missing: float32 or float64 [N, D] -> int64 [N, S].

        What is no index of a categorical feature's value counts as missing.

        Raises:
            ShapeError: There are no rows, or they have another width.
        """
        if rows.ndim != 2 or not len(rows) or rows.shape[1] != len(self.features):
            raise ShapeError(f"needed rows of {len(self.features)} values, got shape {rows.shape}")
        starts = range(0, len(rows), self._rows_at_once)
        with np.errstate(over="ignore"):  # what is beyond float32 is held within the bounds, as infinite
            rows = np.asarray(rows, dtype=self.dtype)
        return np.concatenate([self._run(rows[start : start + self._rows_at_once]) for start in starts])


def _onnx(directory: Path) -> Callable[[Values], Codes]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        directory / "encoder.onnx", options, providers=["CPUExecutionProvider"]
    )

    def run(rows: Values) -> Codes:
        codes: Codes = session.run(["codes"], {"rows": rows})[0]
        return codes

    return run


def _torch(directory: Path, document: dict[str, Any], device: torch.device) -> Callable[[Values], Codes]:
    weights = FrozenWeights(**load_file(directory / "model.safetensors", device=str(device)))
    cleaner = FeatureCleaner.from_dict(document["cleaner"])

    @torch.no_grad()
    def run(rows: Values) -> Codes:
        features = torch.from_numpy(cleaner.normalize(rows)).to(device)
        codes: Codes = weights.encode(features).cpu().numpy()
        return codes

    return run
