"""Measures every server in interleaved rounds: the server on one core, the clients on another."""

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from app.embedded.ports import free_port
from app.inference.encoder import Encoder
from benchmarks.frozen_model import BenchmarkModel, draw_rows
from benchmarks.serving import servers
from benchmarks.serving.load import Load, ask_once, put_load
from benchmarks.serving.servers import SERVERS, Server, request_of
from worker.contract.settings import ServiceSettings
from worker.store import Store

SERVER_CORE, CLIENT_CORE = 0, 1
READY_S = 180.0
CASES = {
    "1 row, c1": (1, 1),
    "c16": (1, 16),
    "c64": (1, 64),
    "256 rows, c4": (256, 4),
    "4096 rows, c2": (4096, 2),
}
BUSIEST = CASES["c64"]
ENGINE = "in process"


@dataclass
class Started:
    """A server that runs; it stands still while others are measured."""

    server: Server
    port: int
    process: psutil.Popen
    requests: dict[int, bytes]
    loads: dict[str, list[Load]] = field(default_factory=lambda: {case: [] for case in CASES})
    cpu_us: list[float] = field(default_factory=list)  # of a request of one row by 64 clients

    @property
    def processes(self) -> list[psutil.Process]:
        """The server with everything it has started."""
        return [self.process, *self.process.children(recursive=True)]

    def signal(self, number: int) -> None:
        """Send a signal to all of it."""
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    @property
    def cpu_s(self) -> float:
        """Processor time that it has taken."""
        times = [process.cpu_times() for process in self.processes]
        return sum(each.user + each.system for each in times)

    @property
    def rss_mb(self) -> float:
        """Memory of its own."""
        return sum(process.memory_full_info().pss for process in self.processes) / 2**20


def main() -> None:
    """Print the table, and what of it was wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each case in each round")
    parser.add_argument("--servers", nargs="+", choices=list(SERVERS), default=list(SERVERS))
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # not without ending the servers
    os.sched_setaffinity(0, {CLIENT_CORE})
    with tempfile.TemporaryDirectory(prefix="catvq-bench-") as name:
        store = Store.open(ServiceSettings(data_dir=Path(name)))
        model_id = BenchmarkModel.make().publish(store)
        store.aliases.put(servers.ALIAS, model_id)
        encoder = Encoder(lambda: store.models.directory(model_id), threads=1)
        with running(arguments.servers, Path(name), model_id, encoder) as started:
            engine = measure(started, encoder, arguments.rounds, arguments.seconds)
            print_table(started, engine)
            if len(started) == len(SERVERS):
                print_verdicts(started, engine)
        store.close()


@contextmanager
def running(
    names: list[str], data_dir: Path, model_id: str, encoder: Encoder
) -> Iterator[dict[str, Started]]:
    """Start the servers, make sure that they encode alike, and let them stand still."""
    started: dict[str, Started] = {}
    try:
        for name in names:
            started[name] = start(SERVERS[name], data_dir, model_id)
            check(name, started[name], encoder)
            started[name].signal(signal.SIGSTOP)
            print(f"{name}: ready", flush=True)
        yield started
    finally:
        for each in started.values():
            for process in each.processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            each.process.wait()


def start(server: Server, data_dir: Path, model_id: str) -> Started:
    """Start a server on its core, and wait until it answers."""
    port = free_port()
    environment = {
        "CATVQ_DATA_DIR": str(data_dir),
        "CATVQ_PORT": str(port),
        "CATVQ_REDIS_URL": "redis://127.0.0.1:1/0",
        "CATVQ_BENCH_MODEL": str(data_dir / "models" / model_id),
        "OMP_NUM_THREADS": "1",
    }
    with (data_dir / f"{port}.log").open("wb") as log:
        process = psutil.Popen(
            [part.format(port=port) for part in server.command],
            env=os.environ | environment,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
        )
    requests = {
        count: request_of(server, model_id, draw_rows(count, 11))
        for count in sorted({rows for rows, _ in CASES.values()})
    }
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError, ValueError):  # refused, or not ready yet
            ask_once(port, requests[1])
            return Started(server, port, process, requests)
        time.sleep(0.2)
    raise SystemExit(f"{server.command}: not ready\n{(data_dir / f'{port}.log').read_text()[-3000:]}")


def check(name: str, started: Started, encoder: Encoder) -> None:
    """Stop where a server encodes otherwise than the engine."""
    if started.server.read is None:
        return
    for count, request in started.requests.items():
        codes = started.server.read(ask_once(started.port, request))
        expected = encoder.encode(draw_rows(count, 11), with_doubt=False).codes
        if codes.shape != expected.shape or np.count_nonzero(codes != expected) > expected.size / 10_000:
            raise SystemExit(f"{name} encodes something else")


def measure(started: dict[str, Started], encoder: Encoder, rounds: int, seconds: float) -> dict[int, float]:
    """Measure every case of every server in every round; returns the engine's own requests a second."""
    engine: dict[int, list[float]] = {rows: [] for rows, _ in CASES.values()}
    for number in range(rounds):
        for case, (rows, clients) in CASES.items():
            engine[rows].append(rate_in_process(encoder, rows, seconds / 2))
            for each in started.values():
                if each.server.write is None and rows > 1:
                    continue
                each.signal(signal.SIGCONT)
                put_load(each.port, each.requests[rows], clients=clients, seconds=seconds / 4)
                began_s = each.cpu_s
                load = put_load(each.port, each.requests[rows], clients=clients, seconds=seconds)
                each.loads[case].append(load)
                if (rows, clients) == BUSIEST:
                    each.cpu_us.append(1e6 * (each.cpu_s - began_s) / len(load.times))
                each.signal(signal.SIGSTOP)
        print(f"round {number + 1} of {rounds} is over", flush=True)
    return {rows: statistics.median(rates) for rows, rates in engine.items()}


def rate_in_process(encoder: Encoder, count: int, seconds: float) -> float:
    """What the engine does without a server, on the server's core: calls a second."""
    os.sched_setaffinity(0, {SERVER_CORE})
    rows = draw_rows(count, 11)
    calls, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        encoder.encode(rows, with_doubt=False)
        calls += 1
    os.sched_setaffinity(0, {CLIENT_CORE})
    return calls / elapsed


def median_of(loads: list[Load], what: str) -> float:
    """Return the median over rounds, NaN where nothing was measured."""
    return statistics.median(getattr(load, what) for load in loads) if loads else float("nan")


def print_table(started: dict[str, Started], engine: dict[int, float]) -> None:
    """Print requests a second; of one row also processor time, and the median and 99th percentile of times.

    Where other programs want the core, too, processor time tells more than the rates do.
    """
    columns = [*CASES, "CPU at c64", "p50, p99 at c1", "at c64", "MB"]
    print(f"\n| server | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name, each in started.items():
        rates = [median_of(loads, "rate") for loads in each.loads.values()]
        cells = [
            "-" if np.isnan(rate) else f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}" for rate in rates
        ]
        times = [
            f"{median_of(each.loads[case], 'p50_ms'):.2f}, {median_of(each.loads[case], 'p99_ms'):.2f} ms"
            for case in list(CASES)[:3:2]
        ]
        cells.append(f"{statistics.median(each.cpu_us):.0f} us")
        print(f"| {name} | {' | '.join([*cells, *times])} | {each.rss_mb:.0f} |")
    cells = [
        f"{engine[rows]:,.0f}" if engine[rows] >= 100 else f"{engine[rows]:.1f}" for rows, _ in CASES.values()
    ]
    print(f"| {ENGINE} | {' | '.join(cells)} | - | - | - | - |")


def print_verdicts(started: dict[str, Started], engine: dict[int, float]) -> None:
    """Say which of the wanted ratios were reached; each is the median over rounds."""

    def ratio(case: str, name: str, other: str, what: str = "rate") -> float:
        pairs = zip(started[name].loads[case], started[other].loads[case], strict=True)
        return statistics.median(getattr(own, what) / getattr(others, what) for own, others in pairs)

    single, few, many, middle, large = CASES
    ours = started[servers.OURS].loads
    peers = (servers.LITSERVE, servers.BENTOML)
    ceiling_ms = median_of(started[servers.ASGI_HELLO].loads[single], "p50_ms") + 1000 / engine[1]
    wanted = [
        ("256 rows, of the engine", median_of(ours[middle], "rate") / engine[256], ">=", 0.92),
        ("4096 rows, of the engine", median_of(ours[large], "rate") / engine[4096], ">=", 0.92),
        (
            "JSON at 256 rows: raw codes alone by so much faster",
            ratio(middle, servers.OURS, servers.OURS_JSON),
            "<=",
            1.6,
        ),
        (
            "JSON at 256 rows: the same answer in binary by so much faster",
            ratio(middle, servers.OURS_V2_DOUBT, servers.OURS_JSON),
            "<=",
            1.6,
        ),
        (
            "one row, p50 of hello world and engine",
            median_of(ours[single], "p50_ms") / ceiling_ms,
            "<=",
            1.25,
        ),
        ("64 clients, of the usual server", ratio(many, servers.OURS, servers.USUAL), ">=", 12),
        ("64 clients, of mosec", ratio(many, servers.OURS, servers.MOSEC), ">=", 0.8),
        (
            "64 clients, p99 of p50",
            median_of(ours[many], "p99_ms") / median_of(ours[many], "p50_ms"),
            "<=",
            3,
        ),
        ("304, of FastAPI's hello world", ratio(few, servers.OURS_304, servers.FASTAPI_HELLO), ">=", 0.6),
        *(
            (f"{case}, of mosec", ratio(case, servers.OURS, servers.MOSEC), ">", 1)
            for case in CASES
            if case != many
        ),
        *(
            (f"all cases, of {peer}", min(ratio(case, servers.OURS, peer) for case in CASES), ">", 1)
            for peer in peers
        ),
    ]
    print("\n| what | measured | wanted | |\n|---|---|---|---|")
    for what, measured, relation, bound in wanted:
        is_reached = measured <= bound if relation == "<=" else measured >= bound
        print(f"| {what} | {measured:.2f} | {relation} {bound} | {'reached' if is_reached else 'missed'} |")


if __name__ == "__main__":
    main()
