"""Requests that schemathesis makes from the API's own description, to a real API that holds something."""

import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from app.settings import ApiSettings
from tests.app.conftest import serving
from tests.conftest import ROOT, running_process
from worker.store import Scope

HANG_S = 60.0


@contextmanager
def filled_service():
    """An API in a process of its own that holds some of everything, an admin key, and ids that are known."""
    with tempfile.TemporaryDirectory(prefix="catvq-fuzz-") as name:
        with serving(ApiSettings(data_dir=name, redis_url="redis://127.0.0.1:1/0")) as api:
            job = api.running_job().job
            known = {
                "model_id": "@known",
                "job_id": job.id,
                "dataset_id": job.dataset_id,
                "model_version": "1",
            }
            api.client.put("/v1/aliases/known", json={"model": api.model()}).raise_for_status()
            key = api.store.keys.create(Scope.ADMIN).secret
        with running_process(Path(name)) as process:
            yield process, key, known


def send_requests(api, key, known, *, cases, examples, seed):
    """Let schemathesis make requests from the API's own description, one by one and in sequences.

    The ids in paths are known ones, or nearly every answer would be that there is no such thing; and no
    request waits for a job that nobody runs.

    Args:
        cases: Requests, at least.
        examples: Of each operation, beside the systematic ones.

    Returns:
        What went wrong.
    """
    fixed = {f"path.{name}": value for name, value in known.items()} | {"header.Prefer": "wait=0"}
    parameters = "".join(f'"{name}" = "{value}"\n' for name, value in fixed.items())
    config = api.log.with_suffix(".toml")
    config.write_text(f"{(ROOT / 'schemathesis.toml').read_text()}\n[parameters]\n{parameters}")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)]
    command += ["run", f"{api.url}/openapi.json", "--checks", "all", "--continue-on-failure"]
    command += ["--max-examples", str(examples), "--seed", str(seed)]
    command += ["--request-timeout", str(HANG_S), "--header", f"Authorization: Bearer {key}"]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(ended.stdout)
    found = re.search(r"(\d+) generated", ended.stdout)
    generated = int(found[1]) if found else 0
    faults = [f"schemathesis ended with status {ended.returncode}"] if ended.returncode else []
    return faults + ([f"only {generated} requests"] if generated < cases else [])
