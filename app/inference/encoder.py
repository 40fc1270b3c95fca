"""Runs frozen models: rows to codes and back, with ONNX Runtime, without torch."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
import orjson
from numpy.typing import NDArray

from app.problems import ApiError
from app.process.malloc import release_free_memory
from worker.store import StoreUnavailable

ENCODER_FILE = "encoder.onnx"
DECODER_FILE = "decoder.onnx"
DOUBT_FILE = "doubt.onnx"
ROWS_PER_RUN = 128  # activations then stay in a core's cache; twice as many rows take 10 MB more
INVALID_CODE = -1
SIZE_IN_MEMORY = 2  # times the files' size: their contents, and the runtime's packed copy
PERCENTILES = np.arange(101)
TYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(double)": np.dtype(np.float64),
}
NOWHERE = np.zeros(ROWS_PER_RUN, np.bool_)
NOWHERE.setflags(write=False)


class DamagedModelError(ApiError):
    """A model's files cannot be loaded, or give other codes than when it was frozen."""

    status = 500
    default_code = "damaged_model"


@dataclass(frozen=True)
class Doubt:
    """How well codes describe their rows; NaN for an invalid row.

    Args:
        reconstruction_error: float32 [rows], mean squared error in units of variance.
        distance_percentile: float64 [rows], 0 to 100: the share of training rows that were nearer to
            their codes.
    """

    reconstruction_error: NDArray[np.float32]
    distance_percentile: NDArray[np.float64]


class Encoded(NamedTuple):
    """Codes of rows.

    Args:
        codes: int64 [rows, tokens]; -1 throughout an invalid row.
        is_imputed: bool [rows], a missing value, or one that a categorical feature does not have, was filled
            in.
        is_invalid: bool [rows], a value was infinite or beyond the type of the model's rows.
        doubt: None unless it was requested.
    """

    codes: NDArray[np.int64]
    is_imputed: NDArray[np.bool_]
    is_invalid: NDArray[np.bool_]
    doubt: Doubt | None = None

    @property
    def status(self) -> list[str]:
        """One word per row: ok, imputed or invalid."""
        words = np.where(self.is_invalid, "invalid", np.where(self.is_imputed, "imputed", "ok"))
        return [str(word) for word in words]


class Encoder:
    """A loaded frozen model; threads may share it.

    Args:
        locate: Returns the directory of the model's files.
        threads: Threads of one run.

    Raises:
        DamagedModelError: The files cannot be loaded, or give other codes than when the model was frozen.
    """

    def __init__(self, locate: Callable[[], Path], *, threads: int) -> None:
        self._threads = threads
        self._locate = locate
        self._encoder = self._load(ENCODER_FILE)
        self._doubt = self._load(DOUBT_FILE)
        self.dtype = TYPES[self._encoder.get_inputs()[0].type]  # of its rows
        notes = self._encoder.get_modelmeta().custom_metadata_map
        self.features: tuple[str, ...] = tuple(orjson.loads(notes["catvq_features"]))
        values: list[list[str] | None] = orjson.loads(notes["catvq_values"])
        self._num_values = np.array([len(names or ()) for names in values])
        self.tokens: tuple[str, ...] = tuple(orjson.loads(notes["catvq_codes"]))
        self.values_of: dict[str, tuple[str, ...] | None] = {
            name: None if names is None else tuple(names)
            for name, names in zip(self.features, values, strict=True)
        }
        self.origins: dict[str, str] = {  # from when features that are times count their seconds
            name: origin
            for name, origin in zip(self.features, orjson.loads(notes["catvq_origins"]), strict=True)
            if origin is not None
        }
        plain = [names is None and name not in self.origins for name, names in self.values_of.items()]
        self._is_plain = np.array(plain)
        self.singles_per_row = len(self.features) * self.dtype.itemsize // np.dtype(np.float32).itemsize
        self.width = max(len(self.features), len(self.tokens))  # of its rows or their codes
        doubts = self._doubt.get_modelmeta().custom_metadata_map
        self._distances = np.array(orjson.loads(doubts["catvq_distance_percentiles"]))
        self.size_bytes = SIZE_IN_MEMORY * sum(path.stat().st_size for path in locate().glob("*.onnx"))
        self._verify(notes)
        release_free_memory()  # loading takes as much again as the model, for a moment

    @cached_property
    def _decoder(self) -> ort.InferenceSession:
        return self._load(DECODER_FILE)  # most processes never decode

    def floats(self, values: NDArray[Any]) -> NDArray[Any]:
        """Convert numbers to the type of the model's rows; what is beyond its range becomes infinite."""
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(values, dtype=self.dtype)

    def mark_missing(self, rows: NDArray[Any], numbers: Sequence[float]) -> NDArray[Any]:
        """Return rows with NaN for numbers that stand for missing cells; no index or second does."""
        for number in numbers:
            rows = np.where(self._is_plain & (rows == self.dtype.type(number)), np.nan, rows)
        return rows if rows.dtype == self.dtype else self.floats(rows)

    def encode(self, rows: NDArray[Any], *, with_doubt: bool) -> Encoded:
        """Encode rows [any number, features] in the dataset's units; NaN means missing."""
        if rows.dtype != self.dtype:
            rows = self.floats(rows)
        if len(rows) <= ROWS_PER_RUN:
            return self._encode_part(rows, with_doubt=with_doubt)
        return join([self._encode_part(part, with_doubt=with_doubt) for part in _parts(rows)])

    def decode(self, codes: NDArray[np.int64]) -> NDArray[Any]:
        """Decode codes [any number, tokens], -1 where a level is left out, to rows [any number, features]."""
        parts = [self._decoder.run(["rows"], {"codes": part})[0] for part in _parts(codes)]
        rows: NDArray[Any] = np.concatenate(parts)
        return rows

    def _load(self, name: str) -> ort.InferenceSession:
        try:
            return _load(self._locate() / name, self._threads)
        except StoreUnavailable:
            raise
        except Exception as error:
            raise DamagedModelError(f"the model cannot be loaded: {type(error).__name__}") from error

    def _encode_part(self, rows: NDArray[Any], *, with_doubt: bool) -> Encoded:
        doubt = None
        if not with_doubt:
            codes, total = self._encoder.run(["codes", "total"], {"rows": rows})
        else:
            outputs = self._encoder.run(["codes", "total", "normalized", "latents"], {"rows": rows})
            codes, total, normalized, latents = outputs
            inputs = {"codes": codes, "normalized": normalized, "latents": latents}
            error, distance = self._doubt.run(["reconstruction_error", "distance"], inputs)
            doubt = Doubt(error, np.interp(distance, self._distances, PERCENTILES))
        is_invalid = is_imputed = NOWHERE[: len(rows)]
        if not math.isfinite(total):  # rarely: some value is missing or infinite
            is_invalid, is_imputed = (
                np.asarray(np.isinf(rows).any(1)),
                np.asarray(self._is_missing(rows).any(1)),
            )
            codes[is_invalid] = INVALID_CODE
            if doubt is not None:
                doubt.reconstruction_error[is_invalid] = np.nan
                doubt.distance_percentile[is_invalid] = np.nan
        return Encoded(codes, is_imputed, is_invalid, doubt)

    def _is_missing(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Which cells are missing, or no index of a value of their feature."""
        is_index = (rows >= 0) & (rows < self._num_values) & (np.floor(rows) == rows)
        return np.asarray(np.where(self._num_values > 0, ~is_index, np.isnan(rows)))

    def _verify(self, notes: dict[str, str]) -> None:
        rows = self.floats(np.array(orjson.loads(notes["catvq_test_rows"]), np.float64))
        codes = np.array(orjson.loads(notes["catvq_test_codes"]), np.int64)
        if not np.array_equal(self.encode(rows, with_doubt=False).codes, codes):
            raise DamagedModelError("the model's files give other codes than when it was frozen")


def join(parts: list[Encoded]) -> Encoded:
    """Concatenate the rows of several parts; all of them have `doubt`, or none has."""
    doubts = [part.doubt for part in parts if part.doubt is not None]
    doubt = (
        Doubt(
            np.concatenate([doubt.reconstruction_error for doubt in doubts]),
            np.concatenate([doubt.distance_percentile for doubt in doubts]),
        )
        if doubts
        else None
    )
    return Encoded(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.is_imputed for part in parts]),
        np.concatenate([part.is_invalid for part in parts]),
        doubt,
    )


def _load(path: Path, threads: int) -> ort.InferenceSession:
    _share_arena()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only; warnings about the graph were seen when it was exported
    # A spinning thread would take the core from the event loop.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@cache
def _share_arena() -> None:
    """Share one ONNX Runtime memory arena between all models; it grows to the need of the largest run."""
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    grow_by_what_is_needed = ort.OrtArenaCfg({"arena_extend_strategy": 1})
    ort.create_and_register_allocator(memory, grow_by_what_is_needed)


def _parts(array: NDArray[Any]) -> list[NDArray[Any]]:
    return [array[start : start + ROWS_PER_RUN] for start in range(0, len(array), ROWS_PER_RUN)]
