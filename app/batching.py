"""Runs the encodings of a process on a thread of its own: requests that come together share a run."""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread

import numpy as np
from numpy.typing import NDArray

from app.encoder import ROWS_PER_RUN, Doubt, Encoded, Encoder, join

_Kind = tuple[Encoder, bool]


@dataclass(eq=False)
class _Order:
    """One request's rows, and what has been made of them."""

    rows: NDArray[np.float32]
    future: "asyncio.Future[Encoded]"
    taken: int = 0
    parts: list[Encoded] = field(default_factory=list)


class Batcher:
    """Encodes for coroutines, without ever waiting for more to come.

    What arrives within one turn of the event loop is handed over together; what arrives while the thread
    is busy is next. A request of many rows takes turns with the others, run by run.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived: list[tuple[_Kind, _Order]] = []
        self._handed_over: SimpleQueue[list[tuple[_Kind, _Order]] | None] = SimpleQueue()
        self._waiting: dict[_Kind, deque[_Order]] = {}  # only the thread touches it
        self._thread = Thread(target=self._work, name="encoder", daemon=True)
        self._thread.start()

    async def encode(self, encoder: Encoder, rows: NDArray[np.float32], *, with_doubt: bool) -> Encoded:
        """Encode rows [any number but 0, features]."""
        future: asyncio.Future[Encoded] = self._loop.create_future()
        if not self._arrived:
            self._loop.call_soon(self._hand_over)
        self._arrived.append(((encoder, with_doubt), _Order(rows, future)))
        return await future

    def close(self) -> None:
        """End the thread; requests that still wait get no answer."""
        self._handed_over.put(None)
        self._thread.join()

    def _hand_over(self) -> None:
        self._handed_over.put(self._arrived)
        self._arrived = []

    def _work(self) -> None:
        while (arrived := self._handed_over.get()) is not None:
            self._sort_in(arrived)
            while self._waiting:
                kind, orders = next(iter(self._waiting.items()))
                del self._waiting[kind]
                self._run(kind, orders)
                if orders:
                    self._waiting[kind] = orders  # behind the other models
                try:
                    while (arrived := self._handed_over.get_nowait()) is not None:
                        self._sort_in(arrived)
                except Empty:
                    continue
                return

    def _sort_in(self, arrived: list[tuple[_Kind, _Order]]) -> None:
        for kind, order in arrived:
            self._waiting.setdefault(kind, deque()).append(order)

    def _run(self, kind: _Kind, orders: deque[_Order]) -> None:
        encoder, with_doubt = kind
        batch = list(_next_batch(orders))
        if not batch:
            return
        pieces = [piece for _, piece in batch]
        try:
            encoded = encoder.encode(
                pieces[0] if len(pieces) == 1 else np.concatenate(pieces), with_doubt=with_doubt
            )
        except Exception as error:  # noqa: BLE001 - raised where the result is awaited
            self._loop.call_soon_threadsafe(_fail, [order.future for order, _ in batch], error)
            return
        finished = []
        start = 0
        for order, piece in batch:
            order.parts.append(_cut(encoded, start, start + len(piece)))
            start += len(piece)
            if order.taken == len(order.rows):
                result = order.parts[0] if len(order.parts) == 1 else join(order.parts)
                finished.append((order.future, result))
            else:
                orders.append(order)
        if finished:
            self._loop.call_soon_threadsafe(_deliver, finished)


def _next_batch(orders: deque[_Order]) -> Iterator[tuple[_Order, NDArray[np.float32]]]:
    """Take rows for one run from the orders that wait longest; nobody waits for a cancelled one."""
    room = ROWS_PER_RUN
    while room and orders:
        order = orders.popleft()
        if order.future.done():
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


def _deliver(finished: list[tuple["asyncio.Future[Encoded]", Encoded]]) -> None:
    for future, encoded in finished:
        if not future.done():
            future.set_result(encoded)


def _fail(futures: list["asyncio.Future[Encoded]"], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
