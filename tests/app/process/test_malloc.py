"""The memory of a process that serves: one supply for all threads, given back when it is free."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

SCRIPT = """
import asyncio, ctypes, json, pathlib, resource, sys, threading

from app.process import malloc
from app.main import create_app
from app.settings import ApiSettings

THREADS, PIECES, PIECE_BYTES = 4, 50, 1 << 20
PAGE_BYTES = resource.getpagesize()
data_dir = pathlib.Path(sys.argv[1])


def resident_bytes():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def count_supplies():
    library = ctypes.CDLL(None)
    library.fopen.restype = ctypes.c_void_p
    file = ctypes.c_void_p(library.fopen(str(data_dir / "info").encode(), b"w"))
    library.malloc_info(0, file)
    library.fclose(file)
    return (data_dir / "info").read_text().count("<heap nr=")


def count_pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def take(barrier):
    piece = b"x" * 100_000
    barrier.wait()


async def main():
    malloc.RELEASE_EVERY_S = 0.2
    app = create_app(ApiSettings(data_dir=data_dir))
    async with app.router.lifespan_context(app):
        barrier = threading.Barrier(THREADS)
        await asyncio.gather(*(asyncio.to_thread(take, barrier) for _ in range(THREADS)))
        before = count_pages()
        for _ in range(PIECES):
            b"x" * PIECE_BYTES
        pages = count_pages() - before
        pieces = []
        for _ in range(PIECES):
            pieces += [b"x" * PIECE_BYTES, b"x" * (PIECE_BYTES // 10)]
        most = resident_bytes()
        del pieces[::2]  # what is free now lies between what is not
        await asyncio.sleep(1)
        given_back = most - resident_bytes()
    seen = {
        "supplies": count_supplies(),
        "cleared": pages * PAGE_BYTES / (PIECES * PIECE_BYTES),
        "given_back": given_back / (PIECES * PIECE_BYTES),
    }
    print(json.dumps(seen))


asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of Linux")
def test_threads_share_free_memory_which_is_used_again_and_given_back_in_the_end(tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    seen = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    assert seen["supplies"] == 1
    assert seen["cleared"] < 0.1
    assert seen["given_back"] > 0.9


def peak_bytes(process):
    text = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(text.partition("VmHWM:")[2].split()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="the count of Linux")
@pytest.mark.parametrize("unit", [b"{}", b'{"a":1}'])
def test_a_large_body_of_objects_takes_little_more_memory_than_its_own(start_api, tmp_path, unit):
    body = b'{"rows":[' + b",".join([unit] * ((32 << 20) // (len(unit) + 1) - 10)) + b"]}"
    with start_api(tmp_path) as api:
        before = peak_bytes(api.process)
        headers = {"content-type": "application/json"}
        answer = httpx.post(f"{api.url}/v1/datasets", content=body, headers=headers, timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_type")
        assert peak_bytes(api.process) - before < 5 * len(body)
