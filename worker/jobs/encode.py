"""Runs one attempt at an encoding job: encodes a dataset in parts into a file that becomes a dataset."""

import hashlib
import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from pyarrow import parquet
from threadpoolctl import threadpool_limits

from catvq.errors import Interrupted
from catvq.features.origins import find_delays
from catvq.frozen.table_encoder import TableEncoder
from catvq.training.build import resolve_device
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.recorder import Recorder
from worker.store import Claim, DatasetRecord, ModelRecord, NewDataset, NewFiles, Store

ROWS_PER_PART = 16_384  # half a second of one core: the longest delay of a cancel or pause
RECORD_EVERY_S = 1.0
FILE_NAME = "codes.npy"
KEYS_NAME = "keys.parquet"
STORED = "<f4"  # of codes; float32 holds every code exactly


class EncodingAttempt:
    """One attempt at an encoding job.

    The codes of a row depend only on the row and the model. So rows written by an earlier attempt are
    kept, and one model and one dataset give one dataset of codes, which is stored once.
    """

    def __init__(self, store: Store, claim: Claim, heartbeat: Heartbeat) -> None:
        self._store = store
        self._claim = claim
        self._heartbeat = heartbeat
        self._recorder = Recorder(store, claim, heartbeat)

    def run(self) -> None:
        """Encode every row and store the codes.

        Raises:
            Interrupted: The worker is stopping, or the job was lost.
        """
        job = self._claim.job
        model = self._store.models.get(job.config["model"])
        source = self._store.datasets.get(job.dataset_id)
        keys: list[str] = job.config["keys"]
        said = f"codes {model.digest} {source.digest} {json.dumps(keys)}"
        digest = f"sha256:{hashlib.sha256(said.encode()).hexdigest()}"
        codes = self._store.datasets.find_by_digest(digest)
        if codes is None:
            threads = job.threads or 1
            torch.set_num_threads(threads)
            with threadpool_limits(limits=threads):
                codes = self._encode(model, source, keys, digest)
        self._recorder.deliver(codes.id)

    def _encode(
        self, model: ModelRecord, source: DatasetRecord, keys: list[str], digest: str
    ) -> DatasetRecord:
        encoder = TableEncoder.read(self._store.models.directory(model.id), resolve_device("auto"))
        features = [token for tokens in encoder.tokens.values() for token in tokens]
        job = self._claim.job
        self._store.datasets.check_room(source.rows * len(features) * np.dtype(STORED).itemsize, job.key_id)
        path = self._store.recordings.work_path(self._claim, FILE_NAME)
        self._fill(path, source, encoder, len(features))
        keys_path = path.with_name(KEYS_NAME) if keys else None
        if keys_path is not None:
            _copy_keys(self._store.datasets.keys_path(source.id), keys, keys_path)
        new = NewDataset(
            name=job.name,
            features=features,
            families={name: list(tokens) for name, tokens in encoder.tokens.items()},
            columns=[{"name": name, "type": "key"} for name in keys],
            digest=digest,
            rows=source.rows,
            warnings=[],
            key_id=job.key_id,
        )
        return self._store.datasets.create(new, NewFiles(values=path, keys=keys_path))[0]

    def _fill(self, path: Path, source: DatasetRecord, encoder: TableEncoder, width: int) -> None:
        """Write the codes of every row that is not written yet."""
        values = np.load(self._store.datasets.values_path(source.id), mmap_mode="r", allow_pickle=False)
        position = {name: index for index, name in enumerate(source.features)}
        columns = [position[name] for name in encoder.features]
        indices = _translations(source, encoder)
        origins = {
            column["name"]: column["origin"] for column in source.columns if column["type"] == "datetime"
        }
        delays = find_delays(encoder.features, encoder.origins, origins)
        done, recorded_at = self._rows_done(path), time.monotonic()
        with _opened(path, (source.rows, width), done) as file:
            while done < source.rows:
                if self._heartbeat.should_stop():
                    raise Interrupted("the encoding was stopped between two parts")
                part = values[done : done + ROWS_PER_PART]
                rows = _translate(part[:, columns], indices)
                rows = rows.astype(np.float64) + delays if delays.any() else rows
                file.write(encoder.encode(rows).astype(STORED).tobytes())
                done += len(part)
                if done == source.rows or time.monotonic() - recorded_at >= RECORD_EVERY_S:
                    file.flush()
                    os.fsync(file.fileno())
                    self._recorder.record_rows(done, source.rows)
                    recorded_at = time.monotonic()

    def _rows_done(self, path: Path) -> int:
        """Rows whose codes an earlier attempt recorded as written; 0 when the file is missing."""
        live = self._claim.job.live
        return 0 if live is None or not path.exists() else int(live.progress["step"])


def _copy_keys(source: Path, keys: list[str], target: Path) -> None:
    """Write some keys of a dataset, and put them on the disk."""
    with target.open("wb") as file:
        parquet.write_table(parquet.read_table(source, columns=keys), file)
        file.flush()
        os.fsync(file.fileno())


def _translations(source: DatasetRecord, encoder: TableEncoder) -> dict[int, NDArray[np.float64]]:
    """Map a dataset's index of a value to the model's (NaN: none), for each categorical feature."""
    given = {column["name"]: column["values"] for column in source.columns if column["type"] == "categorical"}
    translations = {}
    for place, (name, values) in enumerate(zip(encoder.features, encoder.values, strict=True)):
        if values is not None and tuple(given.get(name, ())) != values:
            index = {value: number for number, value in enumerate(values)}
            translations[place] = np.array([index.get(value, np.nan) for value in given.get(name, ())])
    return translations


def _translate(rows: NDArray[Any], translations: dict[int, NDArray[np.float64]]) -> NDArray[Any]:
    for place, translation in translations.items():
        cells = rows[:, place]
        is_there = ~np.isnan(cells)
        cells[is_there] = translation[cells[is_there].astype(np.int64)]
    return rows


@contextmanager
def _opened(path: Path, shape: tuple[int, int], done: int) -> Iterator[BinaryIO]:
    """Open an NPY file for writing after its first `done` rows; create it when there are none."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": STORED, "fortran_order": False, "shape": shape})
    if not done:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A new file: an earlier attempt that still runs keeps writing to the old one.
        path.unlink(missing_ok=True)
        path.write_bytes(header.getvalue())
    with path.open("r+b") as file:
        file.seek(len(header.getvalue()) + done * shape[1] * np.dtype(STORED).itemsize)
        yield file
