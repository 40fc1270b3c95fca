"""What a long queue and a long list cost: `make bench-store`."""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import sqlalchemy as sa

from app.embedded.guard import Guard
from app.embedded.ports import free_port
from app.embedded.redis import PrivateRedis
from worker.contract.job_config import JobStatus
from worker.contract.settings import WorkerSettings
from worker.store import Store
from worker.store.database.engine import Database
from worker.store.database.schema import job_labels, jobs
from worker.upkeep.reconciler import Reconciler

QUEUED = 2000
WORKERS = 4
READY_S = 120
BATCH = 5000
SIZES = (1000, 10_000, 100_000)
MIDDLE = "in the middle"
# What a list may be asked for; of these filters a hundredth, a third and a hundredth of all rows fit.
PAGES = {
    "newest": {},
    MIDDLE: {},
    "status=failed": {"status": "failed"},
    "dataset=": {"dataset": "ds_7"},
    "label.team=": {"label.team": "t1"},
    f"label.team=, {MIDDLE}": {"label.team": "t1"},
    "label.run=": {"label.run": "r7"},
}


def main() -> None:
    """Print the tables, for one database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", help="an empty PostgreSQL database; SQLite by default")
    parser.add_argument("--requests", type=int, default=500, help="of each kind (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="catvq-bench-") as name:
        redis = PrivateRedis.prepare(Path(name))
        with redis.running() as redis_url:
            settings = WorkerSettings(
                data_dir=Path(name), redis_url=redis_url, database_url=arguments.database
            )
            store = Store.open(settings)
            with serving(settings) as client:
                compare_stores(client, store, settings, arguments.requests)
                compare_lists(client, store, settings, arguments.requests // 10)
            store.close()


def compare_stores(client: httpx.Client, store: Store, settings: WorkerSettings, count: int) -> None:
    """Print what posting and looking at a job takes in an empty store, in a long queue, among many jobs."""
    body = {"dataset": upload(client)}
    measure(client, body, count=count // 5)  # the first requests of a process are slow
    empty = measure(client, body, count=count)
    for _ in range(QUEUED):
        client.post("/v1/jobs", json=body).raise_for_status()
    with polling(store, settings):
        queued = measure(client, body, count=count)
        grow(settings, SIZES[-1])
        many = measure(client, body, count=count)
    print(
        f"\n| {count} requests each: p50, p99 | empty | {QUEUED:,} queued | p99 | {SIZES[-1]:,} jobs | p99 |"
    )
    print("|---|---|---|---|---|---|")
    for name in empty:
        cells = [both_in_ms(empty[name])]
        for times in (queued[name], many[name]):
            ratio = np.percentile(times, 99) / np.percentile(empty[name], 99)
            cells += [both_in_ms(times), f"{ratio:.1f}x"]
        print(f"| {name} | {' | '.join(cells)} |")


def compare_lists(client: httpx.Client, store: Store, settings: WorkerSettings, count: int) -> None:
    """Print what a page of 50 jobs takes in lists of several lengths, and how the longest is read."""
    print(f"\n| page of 50, median of {count} | " + " | ".join(f"{size:,} jobs" for size in SIZES) + " |")
    print("|---|" + "---|" * len(SIZES))
    cells: dict[str, list[str]] = {name: [] for name in PAGES}
    for size in SIZES:
        grow(settings, size)
        for name, query in page_queries(size).items():
            times = [timed(lambda query=query: client.get("/v1/jobs", params=query)) for _ in range(count)]
            cells[name].append(f"{in_ms(times, 50)} ms")
    for name, medians in cells.items():
        print(f"| {name} | " + " | ".join(medians) + " |")
    print()
    for name, query in page_queries(SIZES[-1]).items():
        print(f"{name}: {plan_of(store, settings, query)}")


def measure(client: httpx.Client, body: dict[str, str], *, count: int) -> dict[str, list[float]]:
    """Seconds that requests took; every job that is posted is removed again."""
    times: dict[str, list[float]] = {}
    oldest = client.post("/v1/jobs", json=body).headers["location"]
    for _ in range(count):
        began = time.perf_counter()
        path = client.post("/v1/jobs", json=body).headers["location"]
        times.setdefault("POST a job", []).append(time.perf_counter() - began)
        requests = {
            "GET a job": lambda path=path: client.get(path),
            "GET the oldest": lambda: client.get(oldest),
            "GET /metrics": lambda: client.get("/metrics"),
            "cancel": lambda path=path: client.post(f"{path}/cancel"),
            "DELETE": lambda path=path: client.delete(path),
        }
        for name, request in requests.items():
            times.setdefault(name, []).append(timed(request))
    return times


def timed(request: Callable[[], httpx.Response]) -> float:
    """Seconds until a request is answered, well."""
    began = time.perf_counter()
    request().raise_for_status()
    return time.perf_counter() - began


def in_ms(times: list[float], percentile: float) -> str:
    """A percentile of seconds, in milliseconds."""
    return f"{np.percentile(times, percentile) * 1e3:.1f}"


def both_in_ms(times: list[float]) -> str:
    """The median and the 99th percentile of seconds."""
    return f"{in_ms(times, 50)}, {in_ms(times, 99)} ms"


def upload(client: httpx.Client) -> str:
    """A dataset for the jobs, which never run."""
    content = "a,b\n" + "".join(f"{row},{row % 7}\n" for row in range(50))
    answer = client.post("/v1/datasets", content=content, headers={"content-type": "text/csv"})
    identifier: str = answer.json()["id"]
    return identifier


def grow(settings: WorkerSettings, size: int) -> None:
    """Let there be `size` jobs, all of which have ended."""
    database = Database(settings.sqlalchemy_url)
    with database.write(takes_long=True) as connection:
        newest = connection.execute(sa.select(jobs).order_by(jobs.c.seq.desc()).limit(1)).mappings().one()
        connection.execute(sa.delete(jobs))
        for start in range(1, size + 1, BATCH):
            batch = range(start, min(start + BATCH, size + 1))
            connection.execute(sa.insert(jobs), [dict(newest) | ended_job(seq) for seq in batch])
            connection.execute(
                sa.insert(job_labels),
                [
                    {"job_id": f"job_{seq}", "name": name, "value": value, "seq": seq}
                    for seq in batch
                    for name, value in ended_job(seq)["labels"].items()
                ],
            )
        if connection.dialect.name == "postgresql":  # which counts what it gave out, not what is there
            connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('jobs', 'seq'), {size})")
    database.close()


def ended_job(seq: int) -> dict[str, object]:
    """What tells the jobs of the list apart."""
    return {
        "seq": seq,
        "id": f"job_{seq}",
        "dataset_id": f"ds_{seq % 100}",
        "status": JobStatus.FAILED if seq % 100 == 0 else JobStatus.SUCCEEDED,
        "labels": {"team": f"t{seq % 3}", "run": f"r{seq % 100}"},
    }


def page_queries(size: int) -> dict[str, dict[str, str]]:
    """The query parameters of each kind of page."""
    middle = {"cursor": f"c{size // 2:x}"}
    return {name: query | (middle if MIDDLE in name else {}) for name, query in PAGES.items()}


def plan_of(store: Store, settings: WorkerSettings, query: dict[str, str]) -> str:
    """How the database reads a page."""
    statements: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        statements.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    store.jobs.list(
        status=JobStatus(query["status"]) if "status" in query else None,
        dataset=query.get("dataset"),
        labels={name[6:]: value for name, value in query.items() if name.startswith("label.")},
        cursor=query.get("cursor"),
    )
    sa.event.remove(sa.Engine, "before_cursor_execute", note)
    statement, parameters = next(each for each in statements if each[0].startswith("SELECT"))
    engine = sa.create_engine(settings.sqlalchemy_url)
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN (COSTS OFF)"
    with engine.connect() as connection:
        steps = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
    engine.dispose()
    return "; ".join(str(step[-1]).strip() for step in steps)


@contextmanager
def serving(settings: WorkerSettings) -> Iterator[httpx.Client]:
    """The API in a process of its own, and a client of it."""
    port = free_port()
    environment = os.environ | {
        "CATVQ_DATA_DIR": str(settings.data_dir),
        "CATVQ_DATABASE_URL": settings.sqlalchemy_url,
        "CATVQ_REDIS_URL": settings.redis_url,
        "CATVQ_PORT": str(port),
    }
    with Guard() as guard:  # it ends with this program, however that ends
        process = subprocess.Popen([sys.executable, "-m", "app"], env=environment, process_group=0)
        guard.add(process.pid)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_until(lambda: answers(client))
            yield client
        process.terminate()
        process.wait()


def answers(client: httpx.Client) -> bool:
    """Whether the API is there."""
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


@contextmanager
def polling(store: Store, settings: WorkerSettings) -> Iterator[None]:
    """Workers that look after the queue, each in a process of its own, and take no job."""
    names = [f"worker-{number}" for number in range(WORKERS)]
    spawned = multiprocessing.get_context("spawn")
    processes = [spawned.Process(target=poll, args=(settings, name), daemon=True) for name in names]
    for process in processes:
        process.start()
    try:
        wait_until(lambda: {worker.name for worker in store.workers.list()} >= set(names))
        yield
    finally:
        for process in processes:
            process.terminate()
            process.join()


def poll(settings: WorkerSettings, name: str) -> None:
    """Be one of those workers, until killed."""
    own = settings.model_copy(update={"worker_name": name})
    Reconciler(Store.open(own), own, process_id=os.getpid()).start()
    while True:
        time.sleep(60)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what takes a moment.

    Raises:
        TimeoutError: It takes too long.
    """
    deadline = time.monotonic() + READY_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the service does not come up")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
