"""`python -m app --workers N`: processes that share nothing but the store."""

import os
import socket
import stat
import subprocess
import sys
import time
from contextlib import suppress

import httpx
import numpy as np
import pytest

from app.settings import ApiSettings


@pytest.fixture
def two_processes(tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment = os.environ | {
        "CATVQ_DATA_DIR": str(tmp_path),
        "CATVQ_REDIS_URL": "redis://127.0.0.1:1/0",
        "CATVQ_PORT": str(port),
    }
    command = [sys.executable, "-m", "app", "--workers", "2"]
    log = tmp_path / "api.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 120
        while log.read_text().count("listening on") < 2:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield process, f"http://127.0.0.1:{port}", log
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        process.wait(30)


def test_every_process_knows_at_once_what_another_was_told(two_processes, serve, tmp_path):
    process, url, log = two_processes
    # A third one, in this process, publishes the models: the store is all that they have in common.
    with serve(ApiSettings(data_dir=tmp_path, redis_url="redis://127.0.0.1:1/0")) as other:
        first, second = other.model(), other.model()
        for model_id in (first, second) * 3:
            httpx.put(f"{url}/v1/aliases/best", json={"model": model_id})
            # Each request comes over a connection of its own, which either process may take.
            documents = [
                httpx.post(f"{url}/v1/models/@best/encodings", json={"rows": [[3, 4, 4]]}).json()
                for _ in range(4)
            ]
            assert [document["model"] for document in documents] == [model_id] * 4
        rows = {
            "content": np.float32([3, 4, 4]).tobytes(),
            "headers": {"content-type": "application/octet-stream"},
        }
        paths = [f"{url}/v1/models/{first}/encodings", f"{url}/v1/models/{first}/grouping"]
        assert httpx.post(paths[0], **rows).json()["codes"] == [[1, 2]]
        assert httpx.get(paths[1]).status_code == 200
        other.store.models.delete(first)
        assert {httpx.post(paths[0], **rows).status_code for _ in range(6)} == {404}
        assert {httpx.get(paths[1]).status_code for _ in range(6)} == {404}
    upload = httpx.post(f"{url}/v1/datasets", content="a\n1\n", headers={"content-type": "text/csv"})
    written = tmp_path / "datasets" / upload.json()["id"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in (written, *written.iterdir())] == [0o700, 0o600]
    process.terminate()
    assert process.wait(30) in {0, -15}
    assert "Traceback" not in log.read_text()
