"""`python -m tests.fuzz`: generated requests and damaged files by the thousand, with a report."""

import argparse
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from app.settings import ApiSettings
from tests.app.conftest import serving
from tests.conftest import ROOT, running_process
from tests.fuzz.uploads import SOUND, damaged
from worker.store import Scope

HANG_S = 60.0
MEMORY_BYTES = 1 << 30  # of the API and the children that read files for it, together
ENCODED = ("text/csv", "application/json", "application/x-npy", "application/vnd.apache.arrow.stream")
ENCODED_SHARE = 0.3  # of these; the others become datasets


@dataclass
class Uploads:
    """What became of the damaged files of one type."""

    answers: Counter = field(default_factory=Counter)
    slowest_s: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def refused(self):
        return sum(count for status, count in self.answers.items() if 400 <= status < 500)


class MemoryWatch(threading.Thread):
    """Notes the most memory that a process and its children had at once."""

    def __init__(self, process_id):
        super().__init__(daemon=True)
        self._process = psutil.Process(process_id)
        self.peak_bytes = self.first_bytes = self._now()

    def run(self):
        with suppress(psutil.NoSuchProcess):
            while True:
                self.peak_bytes = max(self.peak_bytes, self._now())
                time.sleep(0.05)

    def _now(self):
        total = 0
        for process in [self._process, *self._process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="generated requests, at least")
    parser.add_argument(
        "--examples", type=int, default=500, help="of each operation, beside the systematic ones"
    )
    parser.add_argument("--files", type=int, default=5_000, help="damaged files that are refused, at least")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with filled_service() as (api, key, known):
        watch = MemoryWatch(api.process.pid)
        watch.start()
        uploads = send_files(api.url, known["model_id"], arguments)
        faults = send_requests(api, key, known, arguments)  # which in the end also delete
        if api.process.poll() is not None:
            faults.append(f"the API ended: {api.log.read_text()[-2000:]}")
        errors = len(re.findall("Traceback", api.log.read_text(errors="replace")))
    faults += [fault for each in uploads.values() for fault in each.faults]
    faults += [f"{errors} tracebacks in the API's log"] if errors else []
    if watch.peak_bytes > MEMORY_BYTES:
        faults.append(f"the service took {watch.peak_bytes >> 20} MiB")
    report(uploads, watch, faults)
    return 1 if faults else 0


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


def send_requests(api, key, known, arguments):
    """Let schemathesis make requests from the API's own description, one by one and in sequences.

    The ids in paths are known ones, or nearly every answer would be that there is no such thing; and no
    request waits for a job that nobody runs.
    """
    fixed = {f"path.{name}": value for name, value in known.items()} | {"header.Prefer": "wait=0"}
    parameters = "".join(f'"{name}" = "{value}"\n' for name, value in fixed.items())
    config = api.log.with_suffix(".toml")
    config.write_text(f"{(ROOT / 'schemathesis.toml').read_text()}\n[parameters]\n{parameters}")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)]
    command += ["run", f"{api.url}/openapi.json", "--checks", "all", "--continue-on-failure"]
    command += ["--max-examples", str(arguments.examples), "--seed", str(arguments.seed)]
    command += ["--request-timeout", str(HANG_S), "--header", f"Authorization: Bearer {key}"]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(ended.stdout)
    found = re.search(r"(\d+) generated", ended.stdout)
    generated = int(found[1]) if found else 0
    faults = [f"schemathesis ended with status {ended.returncode}"] if ended.returncode else []
    return faults + ([f"only {generated} requests"] if generated < arguments.cases else [])


def send_files(url, model_id, arguments):
    """Send damaged files of every type at once, until enough of each were refused."""
    uploads = {media_type: Uploads() for media_type in SOUND}
    wanted = -(-arguments.files // len(SOUND))
    threads = [
        threading.Thread(target=_send_type, args=(url, model_id, media_type, each, wanted, arguments.seed))
        for media_type, each in uploads.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return uploads


def _send_type(url, model_id, media_type, uploads, wanted, seed):
    generator = random.Random(f"{media_type} {seed}")
    with httpx.Client(base_url=url, timeout=HANG_S) as client:
        while uploads.refused < wanted and len(uploads.faults) < 20:
            body = damaged(media_type, generator)
            is_encoded = media_type in ENCODED and generator.random() < ENCODED_SHARE
            path = f"/v1/models/{model_id}/encodings" if is_encoded else "/v1/datasets"
            started = time.monotonic()
            try:
                status = client.post(path, content=body, headers={"content-type": media_type}).status_code
            except httpx.TransportError as error:
                uploads.faults.append(f"{media_type}: {error!r} after {body!r}"[:2000])
                continue
            uploads.slowest_s = max(uploads.slowest_s, time.monotonic() - started)
            uploads.answers[status] += 1
            if status >= 500:
                uploads.faults.append(f"{media_type}: {status} after {body!r}"[:2000])


def report(uploads, watch, faults):
    print("\n| damaged files | sent | refused | taken | slowest |\n|---|---|---|---|---|")
    for media_type, each in uploads.items():
        taken = each.answers[200] + each.answers[201]
        cells = [media_type, each.answers.total(), each.refused, taken, f"{each.slowest_s:.1f} s"]
        print(f"| {' | '.join(map(str, cells))} |")
    answers = sum((each.answers for each in uploads.values()), Counter())
    print(
        f"\n{sum(each.refused for each in uploads.values())} refused; answers {dict(sorted(answers.items()))}"
    )
    print(f"memory: {watch.first_bytes >> 20} MiB at first, {watch.peak_bytes >> 20} MiB at most")
    print("\n".join(faults) or "no server error, no hang")


if __name__ == "__main__":
    sys.exit(main())
