"""`python -m tests.soak`: the long form, with a report of what was asked and of the memory it took."""

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import psutil

from tests.conftest import running_process
from tests.soak.service import make_pool, publish_models, published
from tests.soak.traffic import NPY, WRITERS, put_traffic

MIB = 1 << 20
GROWTH = 1.1  # from the middle of the soak to its end
MODELS, KEPT, TURNS = 100, 10, 2


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--same", type=int, default=100_000, help="requests of one row, one after the other")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="catvq-soak-") as name,
        published(Path(name)) as (model_id, directory),
    ):
        pool = make_pool(directory)
        faults = soak(Path(name), model_id, pool, arguments.seconds)
        faults += ask_the_same(Path(name), model_id, pool, arguments.same)
        faults += cycle(Path(name), directory, pool)
    print("\n" + "\n".join(faults or ["every answer was right, and memory stayed as it was"]))
    return 1 if faults else 0


def soak(data_dir, model_id, pool, seconds):
    """All formats at once; returns what went wrong."""
    with running_process(data_dir) as api:
        process, seen, is_over = psutil.Process(api.process.pid), [], threading.Event()

        def watch():
            while not is_over.wait(seconds / 20):
                seen.append(process.memory_info().rss / MIB)

        watcher = threading.Thread(target=watch)
        watcher.start()
        tally = asyncio.run(put_traffic(api.url, model_id, pool, seconds=seconds))
        is_over.set()
        watcher.join()
    for kind, count in sorted(tally.counts.items()):
        print(f"  {count:7,d}  {kind}")
    print(f"{tally.counts.total():,} requests, {len(tally.wrong)} wrong; RSS {listed(seen)} MiB")
    half = len(seen) // 2
    grows = max(seen[half:]) > GROWTH * max(seen[:half])
    return tally.wrong + (["the memory grows while all formats are asked"] if grows else [])


def ask_the_same(data_dir, model_id, pool, count):
    """One row again and again; returns what went wrong."""
    body, seen, started = WRITERS[NPY](pool.rows[:1], pool.names), [], time.monotonic()
    headers = {"content-type": NPY, "accept": NPY}
    with running_process(data_dir) as api, httpx.Client(base_url=api.url) as client:
        for number in range(count):
            client.post(f"/v1/models/{model_id}/encodings", content=body, headers=headers).raise_for_status()
            if number % (count // 10) == count // 10 - 1:
                seen.append(psutil.Process(api.process.pid).memory_info().rss / MIB)
    print(f"{count:,} requests in {time.monotonic() - started:.0f} s; RSS {listed(seen)} MiB")
    return ["the memory grows with requests"] if seen[-1] > seen[0] + 2 else []


def cycle(data_dir, directory, pool):
    """More models than the cache holds, in turn; returns what went wrong."""
    size = 2 * sum(path.stat().st_size for path in directory.glob("*.onnx"))
    ids, seen = publish_models(directory.parents[1], MODELS), []
    body, headers = WRITERS[NPY](pool.rows[:1], pool.names), {"content-type": NPY, "accept": NPY}
    with (
        running_process(data_dir, CATVQ_ENCODER_CACHE_BYTES=str(KEPT * size)) as api,
        httpx.Client(base_url=api.url) as client,
    ):
        for model_id in ids * TURNS:
            path = f"/v1/models/{model_id}/encodings"
            client.post(path, content=body, headers=headers).raise_for_status()
            seen.append(psutil.Process(api.process.pid).memory_info().rss / MIB)
    shown = listed(seen[number - 1] for number in (1, KEPT, 2 * KEPT, len(seen)))
    print(f"{MODELS} models of {size / MIB:.0f} MiB in turn, {KEPT} kept")
    print(f"RSS after 1, {KEPT}, {2 * KEPT} and all: {shown} MiB")
    return ["the memory grows with models"] if seen[-1] > seen[2 * KEPT] + 1.5 * size / MIB else []


def listed(sizes):
    return ", ".join(f"{size:.0f}" for size in sizes)


if __name__ == "__main__":
    sys.exit(main())
