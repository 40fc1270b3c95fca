"""The client that awaits and the one that does not: written from one source, and doing the same."""

import ast
import asyncio
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from catvq_client import ApiError, AsyncClient, NotReachableError

ROOT = Path(__file__).parents[2] / "client"
TWINS = sorted(path.name for path in (ROOT / "catvq_client" / "asynchronous").glob("*.py"))
NPY = "application/x-npy"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("twins")
    subprocess.run([sys.executable, ROOT / "synchronize.py", directory], check=True)
    return directory


def parts_of(path):
    """What a module imports, in any order, and everything else in it, however it is laid out."""
    module = ast.parse(path.read_text())
    is_import = lambda node: isinstance(node, ast.Import | ast.ImportFrom)  # noqa: E731
    imports = {
        (getattr(node, "module", None), name.name)
        for node in filter(is_import, module.body)
        for name in node.names
    }
    return imports, [ast.dump(node) for node in module.body if not is_import(node)]


@pytest.mark.parametrize("name", TWINS)
def test_the_twin_is_what_make_format_writes(written, name):
    twin = ROOT / "catvq_client" / "synchronous" / name
    assert parts_of(twin) == parts_of(written / "synchronous" / name)


def test_no_twin_is_left_without_the_other():
    assert sorted(path.name for path in (ROOT / "catvq_client" / "synchronous").glob("*.py")) == TWINS


def npy(answer, values):
    header = b"\x93NUMPY\x01\x00"
    described = str({"descr": "<i8", "fortran_order": False, "shape": values.shape}).encode()
    padded = described.ljust(117) + b"\n"
    return answer(200, content=header + len(padded).to_bytes(2, "little") + padded + values.tobytes())


def test_many_requests_at_once_share_connections_and_keep_apart(scripted, answer):
    scripted.answers = [npy(answer, np.array([[1, 2]]))]

    async def encode_all():
        async with AsyncClient(scripted.url) as client:
            rows = np.zeros((1, 3), np.float32)
            return await asyncio.gather(*(client.models.encode("model_1", rows + n) for n in range(20)))

    codes = asyncio.run(encode_all())
    assert [part.tolist() for part in codes] == [[[1, 2]]] * 20
    assert {request.headers["Content-Type"] for request in scripted.requests} == {NPY}
    assert len({request.body for request in scripted.requests}) == 20


def test_a_refusal_is_waited_out_without_holding_others_up(scripted, answer):
    busy = answer(503, {"title": "Busy", "status": 503, "code": "busy"}, {"Retry-After": "1"})
    scripted.answers = [busy, answer(200, {"items": []})]
    ticks = []

    async def tick():
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.05)

    async def ask():
        async with AsyncClient(scripted.url) as client:
            ticking = asyncio.create_task(tick())
            found = await client.jobs.list()
            ticking.cancel()
            return found

    assert asyncio.run(ask()) == []
    assert len(scripted.requests) == 2
    assert len(ticks) > 10


def test_errors_are_those_of_the_other_client(scripted, answer, unused_port):
    scripted.answers = [answer(404, {"title": "Not Found", "status": 404, "code": "model_not_found"})]

    async def ask(url):
        async with AsyncClient(url) as client:
            await client.models.get("model_0")

    with pytest.raises(ApiError, match="404 model_not_found"):
        asyncio.run(ask(scripted.url))
    with pytest.raises(NotReachableError):
        asyncio.run(ask(f"http://127.0.0.1:{unused_port}"))
