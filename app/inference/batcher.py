"""Encodes rows in batches on a thread: requests that arrive together share a run."""

from __future__ import annotations  # otherwise those of inner functions are evaluated in every request

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.inference.encoded import Doubt, Encoded, join
from app.inference.encoder import ROWS_PER_RUN, Encoder

# The model's size in memory. With 26 MiB a row took 0.08 ms, and 0.42 ms on the slowest machine measured.
INSTANT_BYTES = 32 << 20

_log = logging.getLogger(__name__)
_Kind = tuple[Encoder, bool]
Deliver = Callable[[Encoded | Exception], None]


@dataclass(eq=False, slots=True)
class Order:
    """One request's rows, and the parts encoded so far."""

    rows: NDArray[Any]
    deliver: Deliver
    is_abandoned: bool = False
    taken: int = 0
    parts: list[Encoded] = field(default_factory=list)


class Batcher:
    """Encodes in batches on one thread; it never waits for a batch to fill.

    Requests that arrive in one iteration of the event loop form a batch; those that arrive while the thread
    is busy form the next. Large requests and others alternate, run by run. A single row that arrives alone,
    for a small model, is encoded on the event loop itself: waking the thread and being woken by it would
    take nearly as long as the row.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived: list[tuple[_Kind, Order]] = []
        self._handed_over: SimpleQueue[list[tuple[_Kind, Order]] | None] = SimpleQueue()
        self._waiting: dict[_Kind, deque[Order]] = {}  # used by the thread only
        self._is_busy = False  # a hint: it may lag behind
        self._thread = Thread(target=self._work, name="encoder", daemon=True)
        self._thread.start()

    def submit(self, encoder: Encoder, rows: NDArray[Any], deliver: Deliver, *, with_doubt: bool) -> Order:
        """Queue rows [at least 1, features] for encoding; the result goes to a callback.

        Args:
            deliver: Called on the event loop with the result, or with the error if encoding failed.

        Returns:
            The order; mark it as abandoned if its result is no longer needed.
        """
        if not self._arrived:
            self._loop.call_soon(self._hand_over)
        order = Order(rows, deliver)
        self._arrived.append(((encoder, with_doubt), order))
        return order

    async def encode(self, encoder: Encoder, rows: NDArray[Any], *, with_doubt: bool) -> Encoded:
        """Encode rows [at least 1, features]."""
        future: asyncio.Future[Encoded | Exception] = self._loop.create_future()

        def deliver(result: Encoded | Exception) -> None:
            if not future.done():
                future.set_result(result)

        order = self.submit(encoder, rows, deliver, with_doubt=with_doubt)
        try:
            result = await future
        except asyncio.CancelledError:
            order.is_abandoned = True
            raise
        if isinstance(result, Exception):
            raise result
        return result

    def is_instant(self, encoder: Encoder, rows: NDArray[Any]) -> bool:
        """Whether to encode rows on the event loop: the thread is idle, the row single, the model small."""
        return not self._is_busy and len(rows) == 1 and encoder.size_bytes <= INSTANT_BYTES

    def close(self) -> None:
        """End the thread; waiting requests get no result."""
        self._handed_over.put(None)
        self._thread.join()

    def _hand_over(self) -> None:
        arrived, self._arrived = self._arrived, []
        if len(arrived) == 1 and self.is_instant(arrived[0][0][0], arrived[0][1].rows):
            kind, order = arrived[0]
            _deliver(_run(kind, deque([order])))
        else:
            self._is_busy = True
            self._handed_over.put(arrived)

    def _work(self) -> None:
        while (arrived := self._handed_over.get()) is not None:
            self._is_busy = True
            self._sort_in(arrived)
            while self._waiting:
                kind, orders = next(iter(self._waiting.items()))
                del self._waiting[kind]
                if finished := _run(kind, orders):
                    self._loop.call_soon_threadsafe(_deliver, finished)
                if orders:
                    self._waiting[kind] = orders  # behind the other models
                try:
                    while (arrived := self._handed_over.get_nowait()) is not None:
                        self._sort_in(arrived)
                except Empty:
                    continue
                return
            self._is_busy = False

    def _sort_in(self, arrived: list[tuple[_Kind, Order]]) -> None:
        for kind, order in arrived:
            self._waiting.setdefault(kind, deque()).append(order)


def _run(kind: _Kind, orders: deque[Order]) -> list[tuple[Order, Encoded | Exception]]:
    """Encode as many rows as fit into a run; return the finished orders and put the others back."""
    encoder, with_doubt = kind
    batch = list(_next_batch(orders))
    if not batch:
        return []
    pieces = [piece for _, piece in batch]
    try:
        encoded = encoder.encode(
            pieces[0] if len(pieces) == 1 else np.concatenate(pieces), with_doubt=with_doubt
        )
    except Exception as error:  # noqa: BLE001 - delivered
        return [(order, error) for order, _ in batch]
    finished: list[tuple[Order, Encoded | Exception]] = []
    start = 0
    for order, piece in batch:
        order.parts.append(_cut(encoded, start, start + len(piece)))
        start += len(piece)
        if order.taken == len(order.rows):
            finished.append((order, order.parts[0] if len(order.parts) == 1 else join(order.parts)))
        else:
            orders.append(order)
    return finished


def _next_batch(orders: deque[Order]) -> Iterator[tuple[Order, NDArray[Any]]]:
    """Take rows for one run from the oldest orders; skip abandoned ones."""
    room = ROWS_PER_RUN
    while room and orders:
        order = orders.popleft()
        if order.is_abandoned:
            continue
        piece = order.rows[order.taken : order.taken + room]
        order.taken += len(piece)
        room -= len(piece)
        yield order, piece


def _cut(encoded: Encoded, start: int, stop: int) -> Encoded:
    doubt = encoded.doubt
    return Encoded(
        encoded.codes[start:stop],
        encoded.is_imputed[start:stop],
        encoded.is_invalid[start:stop],
        None
        if doubt is None
        else Doubt(doubt.reconstruction_error[start:stop], doubt.distance_percentile[start:stop]),
    )


def _deliver(results: list[tuple[Order, Encoded | Exception]]) -> None:
    for order, result in results:
        try:
            order.deliver(result)
        except Exception:  # noqa: BLE001 - one failed delivery must not affect the others
            _log.exception("an encoding could not be delivered")
