"""`catvq up` from an installed wheel, in a directory that holds somebody else's modules of the same names."""

import io
import sys

import httpx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

STRANGERS = ("app", "catvq", "catvq_client", "celery", "kombu", "redis", "torch", "uvloop", "worker", "json")
STRANGER = """
import pathlib
pathlib.Path({touched!r}).open("a").write(__name__ + " ")
raise RuntimeError("a module of the current directory was loaded")
"""
# The script `catvq` of an installed wheel does not look into the current directory either.
UP = [sys.executable, "-P", "-c", "from catvq_client.cli import main; main()", "up"]

pytestmark = pytest.mark.slow


@pytest.fixture
def crowded(tmp_path):
    """A directory with a module and a package of every name."""
    directory = tmp_path / "crowded"
    for name in STRANGERS:
        (directory / name).mkdir(parents=True)
        for path in (directory / name / "__init__.py", directory / f"{name}.py"):
            path.write_text(STRANGER.format(touched=str(tmp_path / "touched")))
    return directory


@pytest.fixture
def up(start_service, crowded):
    running = start_service([*UP, "--port", "0", "--data", "data"], crowded / "data", crowded)
    processes = running.process.children(recursive=True)
    yield running
    running.process.terminate()
    assert running.process.wait(60) == 0
    assert psutil.wait_procs(processes, timeout=10)[1] == []


def test_a_table_is_read_and_trained_on_where_other_modules_have_our_names(up, tmp_path):
    table = io.BytesIO()
    pq.write_table(pa.table({name: [index / 7 for index in range(20)] for name in "abcd"}), table)
    with httpx.Client(base_url=f"{up.url}/v1", timeout=60) as http:
        sent = http.post(
            "/datasets?name=t",
            content=table.getvalue(),
            headers={"Content-Type": "application/vnd.apache.parquet"},
        )
        assert sent.status_code == 201, sent.text
        job = {
            "dataset": sent.json()["id"],
            "model": {"categories": 2, "levels": 1, "codebook_size": 2, "embedding_dim": 4, "hidden_dim": 4},
            "assignment": {"mode": "static"},
            "training": {"epochs": 1},
            "report": {"baselines": False},
        }
        done = http.post("/jobs", json=job).raise_for_status().json()
        while done["status"] in {"queued", "running"}:
            done = http.get(f"/jobs/{done['id']}", headers={"Prefer": "wait=10"}).json()
    assert done["status"] == "succeeded", done["error"]
    assert not (tmp_path / "touched").exists(), (tmp_path / "touched").read_text()
    assert (up.data_dir / "datasets").is_dir()
