"""Clients that each send a request, wait for its answer and send the next, over connections that stay."""

import asyncio
import statistics
from dataclasses import dataclass, field
from time import perf_counter

import httptools
import uvloop


@dataclass(frozen=True)
class Load:
    """What came of it: times of single requests in seconds, and how many a second there were."""

    times: list[float]
    seconds: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.times) / self.seconds

    @property
    def p50_ms(self) -> float:
        """The median time."""
        return 1000 * statistics.median(self.times)

    @property
    def p99_ms(self) -> float:
        """What one in a hundred takes longer than."""
        ordered = sorted(self.times)
        return 1000 * ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]


@dataclass
class _Run:
    """One measurement, shared by its connections."""

    request: bytes
    ends_at: float
    times: list[float] = field(default_factory=list)
    bodies: list[bytes] | None = None


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self.is_over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            self._end(ValueError(str(error.__context__)))

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or ConnectionError("the server closed the connection"))

    def on_body(self, body: bytes) -> None:
        if self._run.bodies is not None or self._parser.get_status_code() >= 400:
            self._body.append(body)

    def on_message_complete(self) -> None:
        now, run = perf_counter(), self._run
        run.times.append(now - self._sent_at)
        status = self._parser.get_status_code()
        if status >= 400:
            raise ValueError(f"{status}: {b''.join(self._body)[:500]!r}")
        if run.bodies is not None:
            run.bodies.append(b"".join(self._body))
        if now < run.ends_at:
            self._send()
        else:
            self._end(None)

    def _send(self) -> None:
        self._sent_at = perf_counter()
        self._transport.write(self._run.request)  # type: ignore[attr-defined]

    def _end(self, error: Exception | None) -> None:
        if not self.is_over.done():
            self._transport.close()
            self.is_over.set_result(None) if error is None else self.is_over.set_exception(error)


def put_load(port: int, request: bytes, *, clients: int, seconds: float) -> Load:
    """Send one and the same request by several clients for a while."""
    run = _Run(request, perf_counter() + seconds)
    started = perf_counter()
    uvloop.run(_drive(port, run, clients))
    return Load(run.times, perf_counter() - started)


def ask_once(port: int, request: bytes) -> bytes:
    """Return the body of the answer to one request."""
    run = _Run(request, 0.0, bodies=[])
    uvloop.run(_drive(port, run, 1))
    return (run.bodies or [b""])[0]


async def _drive(port: int, run: _Run, clients: int) -> None:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: _Connection(run), "127.0.0.1", port) for _ in range(clients)]
    await asyncio.gather(*(connection.is_over for _, connection in made))
