"""Goes with the containers from `up` to a trained model and back `down`: `make compose-test`.

Needs only Python and `docker compose`. Images, containers and volumes are its own and are removed at its end.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WAIT_TIMEOUT_S = 300
TRAIN_TIMEOUT_S = 300

# Real measurements that come with scikit-learn, which the image holds: 178 wines, 13 properties.
PRINT_DATASET = """
import sys
from sklearn.datasets import load_wine
wine = load_wine()
print(",".join(name.replace("/", " per ") for name in wine.feature_names))
for row in wine.data:
    print(",".join(map(str, row)))
"""


class Containers:
    """The compose project of this test."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._environment = os.environ | {
            "COMPOSE_PROJECT_NAME": f"catvq-test-{os.getpid()}",
            "CATVQ_PORT": str(self.port),
        }

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run `docker compose` and return what it printed."""
        print("$ docker compose", *arguments[:6], flush=True)
        done = subprocess.run(
            ["docker", "compose", *arguments],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise SystemExit(f"docker compose {' '.join(arguments[:3])} ended with {done.returncode}")
        return done.stdout

    def up(self, *options: str) -> None:
        """Start everything and wait until all of it is healthy."""
        self.compose("up", "--wait", "--wait-timeout", str(WAIT_TIMEOUT_S), *options)

    def limits(self, service: str) -> tuple[int, int]:
        """The most bytes of memory and the most processes that the engine gives a container."""
        container = self.compose("ps", "--quiet", service).strip()
        template = "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}"
        command = ["docker", "inspect", "--format", template, container]
        memory, pids = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        return int(memory), int(pids)

    def request(self, path: str, body: bytes | None = None, media_type: str = "application/json") -> dict:
        """GET `path`, or POST `body` to it, and return the answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body)
        request.add_header("Content-Type", media_type)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)


def main() -> None:
    containers = Containers()
    print(containers.compose("version"))  # ends the test at once where there is no `docker compose`
    started = time.monotonic()
    try:
        containers.up("--build")
        say("every container is healthy")
        check_confinement(containers)
        model, rows = train(containers)
        codes = encode(containers, model, rows)
        say(f"model {model} encodes: the first row is {codes[0]}")
        check_privacy(containers, model)
        check_scaling(containers)
        containers.compose("down")
        containers.up()
        require(encode(containers, model, rows) == codes, "the model encodes differently after a restart")
        say("after a restart the model is still there and gives the same codes")
    except BaseException:
        with suppress(OSError):
            print(containers.compose("logs", "--tail", "40", check=False))
        raise
    finally:
        containers.compose("down", "--volumes", "--rmi", "local", "--timeout", "20", check=False)
    say(f"passed in {time.monotonic() - started:.0f} s")


def check_confinement(containers: Containers) -> None:
    for service in ("api", "worker", "redis", "postgres"):
        written = containers.compose(
            "exec",
            "-T",
            service,
            "sh",
            "-c",
            "touch /opt/x /usr/x /x 2>/dev/null; ls /opt/x /usr/x /x 2>/dev/null; :",
        )
        require(not written, f"{service} could write {written!r}")
        status = containers.compose("exec", "-T", service, "cat", "/proc/1/status")
        privileges = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
        require("0" not in privileges["Uid"].split(), f"{service} runs as user {privileges['Uid']!r}")
        for kind in ("CapPrm", "CapEff"):
            require(int(privileges[kind], 16) == 0, f"{service} has the capabilities {privileges[kind]}")
        require(privileges["NoNewPrivs"] == "1", f"{service} may gain privileges")
        memory, pids = containers.limits(service)
        require(memory > 0 and pids > 0, f"{service} has limits of {memory} bytes and {pids} processes")
    published = containers.compose("port", "api", "8000").strip()
    require(published == f"127.0.0.1:{containers.port}", f"the API is published on {published}")
    say("no container is root, has a capability or can write its root; memory and processes are limited")
    say("the port is on loopback only")


def check_privacy(containers: Containers, model: str) -> None:
    kept = containers.compose("exec", "-T", "worker", "find", "/data").splitlines()
    require(f"/data/models/{model}" in kept, "the model is not among what is kept")
    open_to_others = containers.compose("exec", "-T", "worker", "find", "/data", "-perm", "/077").split()
    require(not open_to_others, f"others can read {open_to_others}")
    say("what api and worker keep is for their user alone")


def train(containers: Containers) -> tuple[str, list[list[float]]]:
    table = containers.compose("exec", "-T", "worker", "python", "-c", PRINT_DATASET)
    rows = [[float(cell) for cell in line.split(",")] for line in table.splitlines()[1:]]
    dataset = containers.request("/v1/datasets?name=wine", table.encode(), "text/csv")
    job = submit(containers, dataset["id"], epochs=10)
    deadline = time.monotonic() + TRAIN_TIMEOUT_S
    while job["status"] not in {"succeeded", "failed", "cancelled"}:
        require(time.monotonic() < deadline, f"the job did not end in {TRAIN_TIMEOUT_S} s: {job}")
        time.sleep(0.5)
        job = containers.request(f"/v1/jobs/{job['id']}")
    require(job["status"] == "succeeded", f"the job ended as {job['status']}: {job['error']}")
    grouping = containers.request(f"/v1/models/{job['model']}/grouping")
    for category in grouping["categories"]:
        print(f"  {category['name']}: {', '.join(category['features'])}")
    return job["model"], rows


def submit(containers: Containers, dataset: str, *, epochs: int) -> dict:
    request = {"dataset": dataset, "training": {"epochs": epochs}, "report": {"baselines": False}}
    return containers.request("/v1/jobs", json.dumps(request).encode())


def encode(containers: Containers, model: str, rows: list[list[float]]) -> list[list[int]]:
    answer = containers.request(f"/v1/models/{model}/encodings", json.dumps({"rows": rows}).encode())
    require(len(answer["codes"]) == len(rows), "not every row was encoded")
    return answer["codes"]


def check_scaling(containers: Containers) -> None:
    containers.up("--no-recreate", "--scale", "worker=2")
    answers = containers.compose(
        "exec",
        "-T",
        "worker",
        "sh",
        "-c",
        'celery --broker "$CATVQ_REDIS_URL" inspect ping --json 2>/dev/null',
    )
    workers = json.loads(answers.splitlines()[0])
    require(len(workers) == 2, f"these workers answer: {workers}")
    say(f"two workers answer: {', '.join(workers)}")


def require(condition: object, otherwise: str) -> None:
    if not condition:
        raise SystemExit(f"FAILED: {otherwise}")


def say(text: str) -> None:
    print(f"== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
