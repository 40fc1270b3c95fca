"""Encodes a part of the rows of an encoding job into a file of its own."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from worker.jobs.encoding.row_codes import RowCodes
from worker.jobs.heartbeat import Heartbeat
from worker.store import PieceRecord, Store


def encode_part(
    store: Store,
    piece: PieceRecord,
    codes: RowCodes,
    heartbeat: Heartbeat[PieceRecord],
    should_stop: Callable[[], bool],
) -> dict[str, Any]:
    """Encode the rows of a part and publish the file; returns the part's result.

    Args:
        codes: Of the job that the part belongs to.
        heartbeat: Of the part.

    Raises:
        Interrupted: `should_stop` said so, between two batches.
    """
    job_id = str(piece.job_id)
    # A new name: a worker that lost the part overwrites nothing.
    name = f"codes-{piece.task['start']:012d}-{secrets.token_hex(4)}"
    with TemporaryDirectory(prefix=f"{job_id}-", dir=store.spool_dir) as directory:
        path = Path(directory, name)
        with path.open("wb") as file:
            codes.write(file, piece.task["start"], piece.task["stop"], should_stop)
            file.flush()
            os.fsync(file.fileno())
        heartbeat.persist(lambda: store.recordings.publish_part(job_id, path))
    return {"file": name}
