"""Runs one attempt at an encoding job: encodes a dataset into a file that becomes a dataset of codes."""

import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from catvq.errors import Interrupted
from worker.jobs.encoding.encode_part import encode_part
from worker.jobs.encoding.encoded_keys import PREFIX_KEYS, read_keys, write_keys
from worker.jobs.encoding.row_codes import STORED, RowCodes
from worker.jobs.failures import PieceFailedError
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.pieces import do_piece
from worker.jobs.recorder import Recorder
from worker.store import (
    Claim,
    DatasetRecord,
    ModelRecord,
    NewDataset,
    NewFiles,
    PieceRecord,
    PieceStatus,
    Store,
)

LOOK_EVERY_S = 0.2  # while other workers do the last parts
COPIED_BYTES = 1 << 20
FILE_NAME = "codes.npy"
KEYS_NAME = "keys.parquet"


class EncodingAttempt:
    """One attempt at an encoding job.

    The codes of a row depend only on the row and the model. So a large dataset is divided into parts that all
    free workers take, the parts of an earlier attempt are kept, and one model and one dataset give one
    dataset of codes, which is stored once.
    """

    def __init__(self, store: Store, claim: Claim, heartbeat: Heartbeat[Claim]) -> None:
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
        self._store.recordings.remove_parts(job.id)
        self._recorder.deliver(codes.id)

    def _encode(self, model: ModelRecord, source: DatasetRecord, digest: str) -> DatasetRecord:
        job = self._claim.job
        codes = RowCodes.open(self._store, job)
        tokens = codes.rows.encoder.tokens
        features = [token for tokens_of in tokens.values() for token in tokens_of]
        keys, prefixes = job.config["keys"], job.config["prefixes"]
        rows = source.rows * codes.codes_per_row
        self._store.datasets.check_room(rows * len(features) * STORED.itemsize, job.key_id)
        path = self._store.recordings.work_path(self._claim, FILE_NAME)
        self._fill(path, codes, source.rows, len(features))
        self._recorder.record_rows(rows, rows)
        keys_path = self._store.recordings.work_path(self._claim, KEYS_NAME) if keys or prefixes else None
        if keys_path is not None:
            own = read_keys(self._store.datasets.keys_path(source.id), keys) if keys else {}
            write_keys(keys_path, own, prefixes, rows=source.rows)
        new = NewDataset(
            name=job.name,
            features=features,
            families={name: list(tokens_of) for name, tokens_of in tokens.items()},
            columns=[
                *self._describe_codes(model, tokens),
                *({"name": name, "type": "key"} for name in (*keys, *(PREFIX_KEYS if prefixes else ()))),
            ],
            digest=digest,
            rows=rows,
            warnings=[],
            key_id=job.key_id,
        )
        return self._store.datasets.create(new, NewFiles(values=path, keys=keys_path))[0]

    def _describe_codes(
        self, model: ModelRecord, tokens: dict[str, tuple[str, ...]]
    ) -> Iterator[dict[str, Any]]:
        """Yield what is known of each code: how many there are, and which families its category is of."""
        families = self._store.models.families(model.id)
        sizes = chain.from_iterable(model.document["codebook_size"])
        for category, codes in tokens.items():
            for code in codes:
                yield {
                    "name": code,
                    "type": "numeric",
                    "codebook_size": next(sizes),
                    "coded_families": list(families[category]),
                }

    def _fill(self, path: Path, codes: RowCodes, num_rows: int, width: int) -> None:
        """Write the NPY file of all codes."""
        parts = codes.divide(num_rows)
        done = self._finish(codes, parts) if len(parts) > 1 else []
        path.parent.mkdir(parents=True, exist_ok=True)
        # A new file: an earlier attempt that still runs keeps writing to the old one.
        path.unlink(missing_ok=True)
        header = {
            "descr": STORED.str,
            "fortran_order": False,
            "shape": (num_rows * codes.codes_per_row, width),
        }
        with path.open("xb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            if not done:
                codes.write(file, *parts[0], self._heartbeat.should_stop)
            for part in done:
                if self._heartbeat.should_stop():
                    raise Interrupted("the encoding was stopped while its parts were joined")
                with part.open("rb") as own:
                    shutil.copyfileobj(own, file, COPIED_BYTES)
            file.flush()
            os.fsync(file.fileno())

    def _finish(self, codes: RowCodes, parts: list[tuple[int, int]]) -> list[Path]:
        """Divide the job, and do parts of it until all are done; returns their files in order."""
        job = self._claim.job
        tasks = [{"start": start, "stop": stop} for start, stop in parts]
        self._heartbeat.persist(lambda: self._store.pieces.divide(self._claim, tasks))
        recorded = 0 if job.live is None else int(job.live.progress["step"])
        while True:
            if self._heartbeat.should_stop():
                raise Interrupted("the encoding was stopped between two parts")
            is_busy = self._do_one(codes)
            pieces = self._heartbeat.persist(lambda: self._store.pieces.of_job(job.id))
            for piece in pieces:
                if piece.error is not None:
                    raise PieceFailedError(piece.error)
            done = sum(_num_rows(piece) for piece in pieces if piece.status is PieceStatus.DONE)
            if done * codes.codes_per_row > recorded:
                recorded = done * codes.codes_per_row
                self._recorder.record_rows(recorded, parts[-1][1] * codes.codes_per_row)
            if done == parts[-1][1] and (files := self._find_files(pieces)):
                return files
            if not is_busy:
                time.sleep(LOOK_EVERY_S)

    def _do_one(self, codes: RowCodes) -> bool:
        """Do the next part that is due, as any worker may; returns whether one was."""
        store, job = self._store, self._claim.job
        piece = self._heartbeat.persist(lambda: store.pieces.claim(str(job.worker_name), job_id=job.id))
        if piece is None:
            return False
        beat = Heartbeat(store.pieces, piece, lease_s=store.pieces.lease_s, is_stopping=threading.Event())

        def should_stop() -> bool:
            return self._heartbeat.should_stop() or beat.should_stop()

        with beat:
            do_piece(store, piece, beat, lambda: encode_part(store, piece, codes, beat, should_stop))
        return True

    def _find_files(self, pieces: list[PieceRecord]) -> list[Path]:
        """The files of all parts; none if one is gone, whose part is then due again."""
        files, is_complete = [], True
        for piece in pieces:
            try:
                files.append(self._store.recordings.fetch_part(piece))
            except FileNotFoundError:
                self._heartbeat.persist(partial(self._store.pieces.reopen, piece))
                is_complete = False
        return files if is_complete else []


def _num_rows(piece: PieceRecord) -> int:
    return int(piece.task["stop"]) - int(piece.task["start"])
