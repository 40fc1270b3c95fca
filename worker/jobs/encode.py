"""Runs one attempt at an encoding job: encodes a dataset in parts into a file that becomes a dataset."""

import hashlib
import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from catvq.errors import Interrupted
from catvq.frozen.table_encoder import TableEncoder
from catvq.training.build import resolve_device
from worker.jobs.encoded_keys import PREFIX_KEYS, read_keys, write_keys
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.model_rows import ModelRows
from worker.jobs.recorder import Recorder
from worker.store import Claim, DatasetRecord, ModelRecord, NewDataset, NewFiles, Store

ROWS_PER_PART = 16_384  # half a second of one core: the longest delay of a cancel or pause
CELLS_PER_PART = 2**22  # of series and grids: as long
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
        prefixes: list[int] = job.config["prefixes"]
        said = f"codes {model.digest} {source.digest} {json.dumps([keys, prefixes])}"
        digest = f"sha256:{hashlib.sha256(said.encode()).hexdigest()}"
        codes = self._store.datasets.find_by_digest(digest)
        if codes is None:
            threads = job.threads or 1
            torch.set_num_threads(threads)
            with threadpool_limits(limits=threads):
                codes = self._encode(model, source, digest)
        self._recorder.deliver(codes.id)

    def _encode(self, model: ModelRecord, source: DatasetRecord, digest: str) -> DatasetRecord:
        encoder = TableEncoder.read(self._store.models.directory(model.id), resolve_device("auto"))
        features = [token for tokens in encoder.tokens.values() for token in tokens]
        job = self._claim.job
        keys, prefixes = job.config["keys"], job.config["prefixes"]
        rows = source.rows * max(1, len(prefixes))
        self._store.datasets.check_room(rows * len(features) * np.dtype(STORED).itemsize, job.key_id)
        path = self._store.recordings.work_path(self._claim, FILE_NAME)
        self._fill(path, source, encoder, (rows, len(features)))
        keys_path = self._store.recordings.work_path(self._claim, KEYS_NAME) if keys or prefixes else None
        if keys_path is not None:
            own = read_keys(self._store.datasets.keys_path(source.id), keys) if keys else {}
            write_keys(keys_path, own, prefixes, rows=source.rows)
        new = NewDataset(
            name=job.name,
            features=features,
            families={name: list(tokens) for name, tokens in encoder.tokens.items()},
            columns=[
                *self._describe_codes(model, encoder),
                *({"name": name, "type": "key"} for name in (*keys, *(PREFIX_KEYS if prefixes else ()))),
            ],
            digest=digest,
            rows=rows,
            warnings=[],
            key_id=job.key_id,
        )
        return self._store.datasets.create(new, NewFiles(values=path, keys=keys_path))[0]

    def _describe_codes(self, model: ModelRecord, encoder: TableEncoder) -> Iterator[dict[str, Any]]:
        """Yield what is known of each code: how many there are, and which families its category is of."""
        families = self._store.models.families(model.id)
        sizes = chain.from_iterable(model.document["codebook_size"])
        for category, codes in encoder.tokens.items():
            for code in codes:
                yield {
                    "name": code,
                    "type": "numeric",
                    "codebook_size": next(sizes),
                    "coded_families": list(families[category]),
                }

    def _fill(self, path: Path, source: DatasetRecord, encoder: TableEncoder, shape: tuple[int, int]) -> None:
        """Write the codes of every row that is not written yet; those of all prefixes of a row together."""
        table = ModelRows.open(self._store, source, encoder)
        prefixes = self._claim.job.config["prefixes"]
        of_row = max(1, len(prefixes))
        height = max(1, min(ROWS_PER_PART, CELLS_PER_PART // max(1, table.cells_per_row)) // of_row)
        done, recorded_at = self._rows_done(path), time.monotonic()
        with _opened(path, shape, done) as file:
            while done < shape[0]:
                if self._heartbeat.should_stop():
                    raise Interrupted("the encoding was stopped between two parts")
                start = done // of_row
                codes = table.encode(start, min(start + height, source.rows), prefixes)
                file.write(codes.astype(STORED).tobytes())
                done += len(codes)
                if done == shape[0] or time.monotonic() - recorded_at >= RECORD_EVERY_S:
                    file.flush()
                    os.fsync(file.fileno())
                    self._recorder.record_rows(done, shape[0])
                    recorded_at = time.monotonic()

    def _rows_done(self, path: Path) -> int:
        """Rows whose codes an earlier attempt recorded as written; 0 when the file is missing."""
        live = self._claim.job.live
        return 0 if live is None or not path.exists() else int(live.progress["step"])


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
