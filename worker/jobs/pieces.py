"""Does pieces of work beside jobs: parts of encoding jobs, and comparisons of models."""

import logging
import threading
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from catvq.errors import Interrupted
from worker.contract.settings import WorkerSettings
from worker.jobs.compare import make_comparison
from worker.jobs.encoding.encode_part import encode_part
from worker.jobs.encoding.row_codes import RowCodes
from worker.jobs.failures import describe_failure
from worker.jobs.heartbeat import Heartbeat
from worker.process.cores import find_free_cores
from worker.store import PieceRecord, StorageUnavailable, Store, StoreUnavailable

_log = logging.getLogger(__name__)


def work_on_pieces(
    store: Store,
    settings: WorkerSettings,
    worker_name: str,
    is_stopping: threading.Event,
    abandon: Callable[[], object] = lambda: None,
) -> None:
    """Do pieces of work until none is due, a job is queued, one is lost or `is_stopping` is set.

    `abandon` ends the process where the work on a piece does not stop soon.
    """
    while not is_stopping.is_set() and store.outbox.count_queued() == 0:
        piece = store.pieces.claim(worker_name)
        if piece is None:
            return
        lease_s = store.pieces.lease_s
        with Heartbeat(
            store.pieces, piece, lease_s=lease_s, is_stopping=is_stopping, abandon=abandon
        ) as beat:
            if piece.job_id is None:
                act = partial(_compare, store, settings, piece, beat)
            else:
                act = partial(_encode, store, piece, beat)
            do_piece(store, piece, beat, act)
        if beat.is_lost:
            return


def do_piece(
    store: Store, piece: PieceRecord, heartbeat: Heartbeat[PieceRecord], act: Callable[[], dict[str, Any]]
) -> None:
    """Record what `act` returns, or its error; a piece that was interrupted is released.

    Raises:
        StoreUnavailable: The store did not answer; the piece is lost, or made later.
    """
    _log.info("%s started", piece.name)
    try:
        with heartbeat.nothing_to_save(lambda: store.pieces.release(piece)):
            result = act()
    except (Interrupted, StorageUnavailable) as reason:
        heartbeat.persist(lambda: store.pieces.release(piece))
        _log.info("%s was released", piece.name)
        if isinstance(reason, StorageUnavailable):
            raise
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - every failure is recorded
        _log.exception("%s failed", piece.name)
        failure = describe_failure(error)
        heartbeat.persist(lambda: store.pieces.fail(piece, failure))
    else:
        heartbeat.persist(lambda: store.pieces.finish(piece, result))
        _log.info("%s ended", piece.name)


def _compare(
    store: Store, settings: WorkerSettings, piece: PieceRecord, heartbeat: Heartbeat[PieceRecord]
) -> dict[str, Any]:
    threads = settings.threads or find_free_cores()
    torch.set_num_threads(threads)
    with threadpool_limits(limits=threads):
        return make_comparison(store, piece, heartbeat.should_stop)


def _encode(store: Store, piece: PieceRecord, heartbeat: Heartbeat[PieceRecord]) -> dict[str, Any]:
    job = store.jobs.get(str(piece.job_id))
    threads = job.threads or 1
    torch.set_num_threads(threads)
    with threadpool_limits(limits=threads):
        return encode_part(store, piece, _open_codes(store, job.id), heartbeat, heartbeat.should_stop)


@lru_cache(maxsize=1)  # a worker does one part of a job after the other
def _open_codes(store: Store, job_id: str) -> RowCodes:
    return RowCodes.open(store, store.jobs.get(job_id))
