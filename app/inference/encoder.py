"""Runs frozen models: rows to codes and back, with ONNX Runtime, without torch."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import orjson
from numpy.typing import NDArray

from app.inference.channels import ChannelValues, ModelFamily, cut_batches
from app.inference.encoded import Doubt, Encoded, join, mark_invalid, take
from app.problems import ApiError
from app.process.malloc import release_free_memory
from catvq.onnx_session import open_session
from worker.store import StoreUnavailable

ENCODER_FILE = "encoder.onnx"
DECODER_FILE = "decoder.onnx"
DOUBT_FILE = "doubt.onnx"
ROWS_PER_RUN = 128  # activations then stay in a core's cache; twice as many rows take 10 MB more
SIZE_IN_MEMORY = 2  # times the files' size: their contents, and the runtime's packed copy
PERCENTILES = np.arange(101)
TYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(double)": np.dtype(np.float64),
}
NOWHERE = np.zeros(ROWS_PER_RUN, np.bool_)
NOWHERE.setflags(write=False)


class DamagedModelError(ApiError, status=500, code="damaged_model"):
    """A model's files cannot be loaded, or give other codes than when it was frozen."""


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
        notes = self._encoder.get_modelmeta().custom_metadata_map
        self.families = tuple(map(ModelFamily.from_document, orjson.loads(notes["catvq_kinds"])))
        names: list[str] = orjson.loads(notes["catvq_features"])
        width = len(names) - sum(len(family.channels) for family in self.families)
        self.features = tuple(names[:width])  # of its rows; channels come after them
        inputs = {value.name: value.type for value in self._encoder.get_inputs()}
        self.dtype = TYPES[inputs.get("rows", "tensor(float)")]  # of its rows
        values: list[list[str] | None] = orjson.loads(notes["catvq_values"])[:width]
        self._num_values = np.array([len(texts or ()) for texts in values], np.int64)
        self.tokens: tuple[str, ...] = tuple(orjson.loads(notes["catvq_codes"]))
        self.values_of: dict[str, tuple[str, ...] | None] = {
            name: None if texts is None else tuple(texts)
            for name, texts in zip(self.features, values, strict=True)
        }
        self.origins: dict[str, str] = {  # from when features that are times count their seconds
            name: origin
            for name, origin in zip(self.features, orjson.loads(notes["catvq_origins"]), strict=False)
            if origin is not None
        }
        plain = [texts is None and name not in self.origins for name, texts in self.values_of.items()]
        self._is_plain = np.array(plain, np.bool_)
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

    def encode_channels(
        self, rows: NDArray[Any], channels: Mapping[str, ChannelValues], *, with_doubt: bool
    ) -> Encoded:
        """Encode rows with series and grids, in batches that are padded little; their order stays.

        Args:
            rows: [rows, features] in the dataset's units; NaN means missing.
            channels: The values of each of the model's families.
            with_doubt: Whether to tell how well the codes describe the rows.
        """
        batches = list(cut_batches(channels, len(rows), max_rows=ROWS_PER_RUN))
        parts = []
        for batch in batches:
            inputs: dict[str, NDArray[Any]] = {}
            for name, family in channels.items():
                inputs |= family.pad(name, batch)
            parts.append(self._encode_part(self.floats(rows[batch]), inputs, with_doubt=with_doubt))
        encoded = take(join(parts), np.argsort(np.concatenate(batches)))
        is_infinite = np.any([family.is_infinite for family in channels.values()], axis=0)
        is_missing = np.any([family.is_missing for family in channels.values()], axis=0)
        is_invalid = np.asarray(encoded.is_invalid | is_infinite)
        mark_invalid(encoded.codes, encoded.doubt, is_invalid)
        return Encoded(encoded.codes, np.asarray(encoded.is_imputed | is_missing), is_invalid, encoded.doubt)

    def decode(self, codes: NDArray[np.int64]) -> NDArray[Any]:
        """Decode codes [any number, tokens], -1 where a level is left out, to rows [any number, features]."""
        if not self.features:
            return np.empty((len(codes), 0), self.dtype)
        return self._decode("rows", codes)

    def decode_channels(self, codes: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """Decode valid codes to the descriptors of each family, [any number, channels, descriptors]."""
        return {family.name: self._decode(family.name, codes) for family in self.families}

    def decode_flat(self, codes: NDArray[np.int64]) -> NDArray[Any]:
        """Decode codes to rows with the descriptors of all channels after the features."""
        found = [part.reshape(len(codes), -1) for part in self.decode_channels(codes).values()]
        return np.concatenate([self.decode(codes), *found], axis=1)

    def _decode(self, output: str, codes: NDArray[np.int64]) -> NDArray[Any]:
        parts = [self._decoder.run([output], {"codes": part})[0] for part in _parts(codes)]
        found: NDArray[Any] = np.concatenate(parts)
        return found

    def _load(self, name: str) -> ort.InferenceSession:
        try:
            return _load(self._locate() / name, self._threads)
        except StoreUnavailable:
            raise
        except Exception as error:
            raise DamagedModelError(f"the model cannot be loaded: {type(error).__name__}") from error

    def _encode_part(
        self, rows: NDArray[Any], channels: Mapping[str, NDArray[Any]] | None = None, *, with_doubt: bool
    ) -> Encoded:
        doubt = None
        given = {"rows": rows} if self.features else {}
        if channels:
            given |= channels
        if not with_doubt:
            codes, total = self._encoder.run(["codes", "total"], given)
        else:
            outputs = self._encoder.run(["codes", "total", "normalized", "latents"], given)
            codes, total, normalized, latents = outputs
            inputs = {"codes": codes, "normalized": normalized, "latents": latents}
            if math.isnan(total):  # only what was there can be described badly
                inputs["present"] = self._encoder.run(["present"], given)[0]
            error, distance = self._doubt.run(["reconstruction_error", "distance"], inputs)
            doubt = Doubt(error, np.interp(distance, self._distances, PERCENTILES))
        is_invalid = is_imputed = NOWHERE[: len(rows)]
        if not math.isfinite(total):  # rarely: some value is missing or infinite
            is_invalid, is_imputed = (
                np.asarray(np.isinf(rows).any(1)),
                np.asarray(self._is_missing(rows).any(1)),
            )
            mark_invalid(codes, doubt, is_invalid)
        return Encoded(codes, is_imputed, is_invalid, doubt)

    def _is_missing(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Which cells are missing, or no index of a value of their feature."""
        is_index = (rows >= 0) & (rows < self._num_values) & (np.floor(rows) == rows)
        return np.asarray(np.where(self._num_values > 0, ~is_index, np.isnan(rows)))

    def _verify(self, notes: dict[str, str]) -> None:
        rows = self.floats(np.array(orjson.loads(notes["catvq_test_rows"]), np.float64))
        codes = np.array(orjson.loads(notes["catvq_test_codes"]), np.int64)
        if self.families:
            told = orjson.loads(notes["catvq_test_families"])
            channels = {family.name: _values_of(family, told[family.name]) for family in self.families}
            found = self.encode_channels(rows.reshape(len(codes), -1), channels, with_doubt=False)
        else:
            found = self.encode(rows, with_doubt=False)
        if not np.array_equal(found.codes, codes):
            raise DamagedModelError("the model's files give other codes than when it was frozen")


def _values_of(family: ModelFamily, rows: list[Any]) -> ChannelValues:
    """Return nested lists of a test vector as values."""
    width = len(family.channels)
    if family.shape is not None:
        return ChannelValues(np.array(rows, np.float32).reshape(len(rows), width, *family.shape))
    steps = [np.array(row, np.float32).reshape(-1, width) for row in rows]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in steps], dtype=np.int64)])
    return ChannelValues(np.concatenate(steps), offsets)


def _load(path: Path, threads: int) -> ort.InferenceSession:
    _share_arena()
    return open_session(path, threads=threads, entries={"session.use_env_allocators": "1"})


@cache
def _share_arena() -> None:
    """Share one ONNX Runtime memory arena between all models; it grows to the need of the largest run."""
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    grow_by_what_is_needed = ort.OrtArenaCfg({"arena_extend_strategy": 1})
    ort.create_and_register_allocator(memory, grow_by_what_is_needed)


def _parts(array: NDArray[Any]) -> list[NDArray[Any]]:
    return [array[start : start + ROWS_PER_RUN] for start in range(0, len(array), ROWS_PER_RUN)]
