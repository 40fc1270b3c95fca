"""What those who wait for news of jobs cost an API process: `make bench-store`."""

import argparse
import socket
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import psutil

from app.embedded.redis import PrivateRedis
from benchmarks.store import serving, upload
from worker.contract.settings import WorkerSettings

POLL = "Prefer: wait=60\r\nIf-None-Match: {tag}"
STREAM = "Accept: text/event-stream"
SETTLE_S = 10.0
MEASURED_S = 20.0


def main() -> None:
    """Print how much of a core the process uses while nothing changes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--polls", type=int, default=500, help="long polls (default: %(default)s)")
    parser.add_argument("--streams", type=int, default=100, help="event streams (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=100, help="that wait, and are waited for")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="catvq-bench-") as name,
        PrivateRedis.prepare(Path(name)).running() as redis_url,
    ):
        settings = WorkerSettings(data_dir=Path(name), redis_url=redis_url)
        with serving(settings) as client:
            measure(client, arguments.polls, arguments.streams, arguments.jobs)


def measure(client: httpx.Client, polls: int, streams: int, count: int) -> None:
    """Open the connections and print what the API process takes."""
    body = {"dataset": upload(client)}
    paths = [client.post("/v1/jobs", json=body).json()["links"]["self"] for _ in range(count)]
    tags = [client.get(path).headers["etag"] for path in paths]
    (process,) = [each for each in psutil.Process().children() if each.cmdline()[-2:] == ["-m", "app"]]
    with ExitStack() as connections:
        for number in range(polls):
            which = number % count
            connect(connections, client, paths[which], POLL.format(tag=tags[which]))
        for number in range(streams):
            connect(connections, client, f"{paths[number % count]}/events", STREAM)
        time.sleep(SETTLE_S)
        before, began = used_s(process), time.monotonic()
        time.sleep(MEASURED_S)
        share = (used_s(process) - before) / (time.monotonic() - began)
        looks = sorted(look(client, paths[0]) for _ in range(50))
    print(
        f"{polls} long polls, {streams} event streams on {count} queued jobs: {100 * share:.1f}% of a core;"
    )
    print(f"GET a job meanwhile: median {1000 * looks[25]:.1f} ms")


def connect(connections: ExitStack, client: httpx.Client, path: str, header: str) -> None:
    """Send a request whose answer is not waited for."""
    connection = socket.create_connection((client.base_url.host, client.base_url.port or 80))
    connections.enter_context(closing(connection))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n\r\n".encode())


def used_s(process: psutil.Process) -> float:
    """Seconds of a core that a process has used."""
    times = process.cpu_times()
    return times.user + times.system


def look(client: httpx.Client, path: str) -> float:
    """Seconds that a GET takes."""
    began = time.perf_counter()
    client.get(path).raise_for_status()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
