"""`python -m tests.fuzz`: generated requests and damaged files by the thousand, with a report."""

import argparse
import random
import re
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import psutil

from tests.fuzz.requests import HANG_S, filled_service, send_requests
from tests.fuzz.uploads import SOUND, damaged

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
        # Last, as these also delete.
        faults = send_requests(
            *(api, key, known), cases=arguments.cases, examples=arguments.examples, seed=arguments.seed
        )
        if api.process.poll() is not None:
            faults.append(f"the API ended: {api.log.read_text()[-2000:]}")
        errors = len(re.findall("Traceback", api.log.read_text(errors="replace")))
    faults += [fault for each in uploads.values() for fault in each.faults]
    faults += [f"{errors} tracebacks in the API's log"] if errors else []
    if watch.peak_bytes > MEMORY_BYTES:
        faults.append(f"the service took {watch.peak_bytes >> 20} MiB")
    report(uploads, watch, faults)
    return 1 if faults else 0


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
