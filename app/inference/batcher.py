"""Runs the encodings of a process beside its event loop: requests that come together share a run."""

from __future__ import annotations  # those of inner functions would be evaluated in every request

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

from app.inference.encoder import ROWS_PER_RUN, Doubt, Encoded, Encoder, join

# In memory. A row of a model of 26 MiB took 0.08 ms, and 0.42 on the slowest machine that was measured.
INSTANT_BYTES = 32 << 20

_log = logging.getLogger(__name__)
_Kind = tuple[Encoder, bool]
Deliver = Callable[[Encoded | Exception], None]


@dataclass(eq=False, slots=True)
class Order:
    """One request's rows, and what has been made of them."""

    rows: NDArray[Any]
    deliver: Deliver
    is_abandoned: bool = False
    taken: int = 0
    parts: list[Encoded] = field(default_factory=list)


class Batcher:
    """Encodes on a thread of its own, without ever waiting for more to come.

    What arrives within one turn of the event loop is handed over together; what arrives while the thread
    is busy is next. A request of many rows takes turns with the others, run by run. Only a single row that
    comes alone, to a model that is quick, is encoded by the event loop itself: to wake the thread and to be
    woken by it would take nearly as long as the row.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived: list[tuple[_Kind, Order]] = []
        self._handed_over: SimpleQueue[list[tuple[_Kind, Order]] | None] = SimpleQueue()
        self._waiting: dict[_Kind, deque[Order]] = {}  # only the thread touches it
        self._is_busy = False  # a hint: it may be late by a moment
        self._thread = Thread(target=self._work, name="encoder", daemon=True)
        self._thread.start()

    def submit(self, encoder: Encoder, rows: NDArray[Any], deliver: Deliver, *, with_doubt: bool) -> Order:
        """Encode rows [any number but 0, features] for somebody who does not wait.

        Args:
            deliver: Called by the event loop, with the reason where the rows could not be encoded.

        Returns:
            What to mark as abandoned when nobody wants it any more.
        """
        if not self._arrived:
            self._loop.call_soon(self._hand_over)
        order = Order(rows, deliver)
        self._arrived.append(((encoder, with_doubt), order))
        return order

    async def encode(self, encoder: Encoder, rows: NDArray[Any], *, with_doubt: bool) -> Encoded:
        """Encode rows [any number but 0, features]."""
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
        """Whether rows, were they alone, take the event loop hardly longer than to wake the thread would."""
        return not self._is_busy and len(rows) == 1 and encoder.size_bytes <= INSTANT_BYTES

    def close(self) -> None:
        """End the thread; requests that still wait get no answer."""
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
    """Encode as many rows as fit into a run; return the orders that are finished, leave the others."""
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
    """Take rows for one run from the orders that wait longest; nobody waits for a cancelled one."""
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
        except Exception:  # noqa: BLE001 - the others of its run have no part in it
            _log.exception("an encoding could not be delivered")
