"""Runs frozen models: rows to codes and back, with ONNX Runtime, off the event loop, without torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import orjson
from numpy.typing import NDArray

from app.errors import ApiError

ENCODER_FILE = "encoder.onnx"
DECODER_FILE = "decoder.onnx"
ROWS_PER_RUN = 4096  # bounds what a run allocates; larger ones are no faster
INVALID_CODE = -1


class DamagedModelError(ApiError):
    """A model's files do not give the codes that were stored when it was frozen."""

    status = 500
    default_code = "damaged_model"


@dataclass(frozen=True)
class Encoded:
    """Codes of rows, and how far to trust each.

    Args:
        codes: int64 [rows, tokens]; -1 throughout an invalid row.
        reconstruction_error: float64 [rows], mean squared error in units of variance; NaN for an invalid row.
        is_imputed: bool [rows], a missing value was filled in.
        is_invalid: bool [rows], a value was infinite or beyond float32.
    """

    codes: NDArray[np.int64]
    reconstruction_error: NDArray[np.float64]
    is_imputed: NDArray[np.bool_]
    is_invalid: NDArray[np.bool_]

    @property
    def status(self) -> list[str]:
        """One word per row: ok, imputed or invalid."""
        words = np.where(self.is_invalid, "invalid", np.where(self.is_imputed, "imputed", "ok"))
        return [str(word) for word in words]


class Encoder:
    """One frozen model, loaded. Safe to share between threads.

    Args:
        directory: Where the model's files are.
        threads: How many one run may use.

    Raises:
        DamagedModelError: The files cannot be loaded, or give other codes than when the model was frozen.
    """

    def __init__(self, directory: Path, *, threads: int) -> None:
        paths = (directory / ENCODER_FILE, directory / DECODER_FILE)
        try:
            self._encoder, self._decoder = (_load(path, threads) for path in paths)
        except Exception as error:
            raise DamagedModelError(f"the model cannot be loaded: {type(error).__name__}") from error
        notes = self._encoder.get_modelmeta().custom_metadata_map
        self.features: tuple[str, ...] = tuple(orjson.loads(notes["catvq_features"]))
        self.tokens: tuple[str, ...] = tuple(orjson.loads(notes["catvq_codes"]))
        self.size_bytes = sum(path.stat().st_size for path in paths)
        self._verify(notes)

    def encode(self, rows: NDArray[np.float32]) -> Encoded:
        """Encode rows [any number, features] in the units of the dataset; NaN is missing."""
        parts = [self._encode_part(part) for part in _parts(rows)]
        return Encoded(
            codes=np.concatenate([part.codes for part in parts]),
            reconstruction_error=np.concatenate([part.reconstruction_error for part in parts]),
            is_imputed=np.concatenate([part.is_imputed for part in parts]),
            is_invalid=np.concatenate([part.is_invalid for part in parts]),
        )

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the rows [any number, features] that valid codes [any number, tokens] stand for."""
        parts = (self._decoder.run(["rows"], {"codes": part})[0] for part in _parts(codes))
        return np.concatenate([np.asarray(part, np.float32) for part in parts])

    def _encode_part(self, rows: NDArray[np.float32]) -> Encoded:
        is_invalid: NDArray[np.bool_] = np.asarray(np.isinf(rows).any(axis=1))
        is_imputed: NDArray[np.bool_] = np.asarray(np.isnan(rows).any(axis=1))
        usable = np.where(is_invalid[:, np.newaxis], np.float32(0), rows)
        codes, before = self._encoder.run(["codes", "normalized"], {"rows": usable})
        (after,) = self._decoder.run(["normalized"], {"codes": codes})
        error = np.mean(np.square(before - after, dtype=np.float64), axis=1)
        error[is_invalid] = np.nan
        codes[is_invalid] = INVALID_CODE
        return Encoded(codes, error, is_imputed, is_invalid)

    def _verify(self, notes: dict[str, str]) -> None:
        rows = np.array(orjson.loads(notes["catvq_test_rows"]), np.float64).astype(np.float32)
        codes = np.array(orjson.loads(notes["catvq_test_codes"]), np.int64)
        if not np.array_equal(self.encode(rows).codes, codes):
            raise DamagedModelError("the model gives other codes than when it was frozen")


def _load(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; what is odd about a graph was seen when it was made
    # A spinning thread would take the core from the event loop.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _parts(array: NDArray[Any]) -> list[NDArray[Any]]:
    return [array[start : start + ROWS_PER_RUN] for start in range(0, len(array), ROWS_PER_RUN)]
