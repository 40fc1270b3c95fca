"""Servers and databases shared by all tests: real ones, outside where their URLs are given, else our own."""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
import redis
import sqlalchemy as sa

from app.embedded.guard import Guard
from app.embedded.redis import PrivateRedis
from tests.s3 import CREDENTIALS, new_bucket, running_s3

SMALL_DISK_BYTES = 48 << 20
ROOT = Path(__file__).parents[1]

# Before anything loads torch: threads that spin while they wait make training ten times slower where tests
# or services share the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

OUTSIDE_REDIS = os.environ.get("CATVQ_TEST_REDIS_URL")
OUTSIDE_POSTGRES = os.environ.get("CATVQ_TEST_POSTGRES_URL")

# An outside Redis: a database that holds the mark was filled by tests; one that holds the claim is in use.
MARK_KEY = "catvq-tests"
CLAIM_KEY = "catvq-tests:claim"
CLAIM_TIMEOUT_S = 1800


# Tests that start make start it as a user does, not as a part of the make that runs the tests.
for variable in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
    os.environ.pop(variable, None)


def pytest_collection_modifyitems(items):
    """Begin with what takes long, so that no process is alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory):
    """A Redis database that no other process of this test run uses; what a test leaves there, others see."""
    if OUTSIDE_REDIS:
        with claimed_database(OUTSIDE_REDIS) as url:
            yield url
    else:
        with PrivateRedis.prepare(tmp_path_factory.mktemp("redis")).running() as url:
            yield url


@contextmanager
def claimed_database(server_url):
    """Take one of the server's numbered databases, leaving alone 0, which others use by default."""
    for number in range(1, 16):
        url = f"{server_url.rpartition('/')[0]}/{number}"
        with redis.Redis.from_url(url) as client:
            is_ours = client.dbsize() == 0 or client.exists(MARK_KEY)
            if is_ours and client.set(CLAIM_KEY, os.getpid(), nx=True, ex=CLAIM_TIMEOUT_S):
                with client.pipeline() as emptying:
                    emptying.flushdb().set(MARK_KEY, "").set(
                        CLAIM_KEY, os.getpid(), ex=CLAIM_TIMEOUT_S
                    ).execute()
                try:
                    yield url
                finally:
                    client.flushdb()
                return
    pytest.fail(f"no empty database left on {server_url}")


@pytest.fixture(params=["sqlite", "postgresql"] if OUTSIDE_POSTGRES else ["sqlite"])
def database_url(request, tmp_path):
    """An empty database of the test's own, on each kind of database there is."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'catvq.db'}"
        return
    name = f"catvq_test_{uuid.uuid4().hex}"
    server = sa.create_engine(OUTSIDE_POSTGRES, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield server.url.set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture(scope="session")
def s3_server():
    with running_s3() as server:
        yield server


@pytest.fixture
def s3(s3_server, monkeypatch):
    """An empty bucket, with the credentials for it in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with new_bucket(s3_server) as bucket:
        yield bucket


@dataclass(frozen=True)
class RunningService:
    """The whole service, started by make or directly; `process` is what was started."""

    process: psutil.Popen
    url: str
    data_dir: Path


@pytest.fixture(scope="session")
def start_service(tmp_path_factory):
    """Start the embedded service; what still runs when the tests end, or are killed, is ended as well."""
    started = []

    def start(command, data_dir, directory=ROOT):
        log = tmp_path_factory.mktemp("service") / "stderr.log"
        with log.open("w") as stderr:
            process = psutil.Popen(
                command,
                cwd=directory,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )
        guard.add(process.pid)
        started.append(process)
        line = process.stdout.readline()
        assert line.startswith("catvq is ready on http://127.0.0.1:"), f"{line}{log.read_text()}"
        return RunningService(process, line.split()[-1], data_dir)

    with Guard() as guard:
        yield start
        for process in started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            guard.remove(process.pid)


@pytest.fixture(scope="session")
def service(start_service, tmp_path_factory):
    """One whole service, shared by all tests of this process that do it no harm."""
    data_dir = tmp_path_factory.mktemp("data")
    running = start_service(
        [sys.executable, "-m", "app.embedded", "--port", "0", "--data", str(data_dir)], data_dir
    )
    yield running
    running.process.terminate()
    assert running.process.wait(60) == 0


@dataclass
class ApiProcess:
    """An API in a process of its own, which may be killed."""

    process: subprocess.Popen
    url: str
    log: Path
    environment: dict[str, str]


@contextmanager
def running_process(data_dir, *, prefix=(), log_dir=None, **environment):
    """Start an API process on a free port, and wait until it answers; it is killed at the end.

    A prefix is a command that runs the process.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    settings = {
        "CATVQ_DATA_DIR": str(data_dir),
        "CATVQ_REDIS_URL": "redis://127.0.0.1:1/0",
        "CATVQ_PORT": str(port),
    } | environment
    command = [*prefix, sys.executable, "-m", "app"]
    log = Path(log_dir or data_dir) / f"api-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=os.environ | settings, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url) as client:
            while True:
                with suppress(httpx.TransportError):
                    if client.get("/livez").status_code == 200:
                        break
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield ApiProcess(process, url, log, os.environ | settings)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def start_api():
    return running_process


@dataclass(frozen=True)
class SmallDisk:
    """A disk that processes begun with `prefix` see at `directory`; to others it is `inside`."""

    prefix: list[str]
    directory: Path
    inside: Path

    def fill(self):
        """Leave no room at all."""
        with (self.inside / "ballast").open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with suppress(OSError):
                    while True:
                        file.write(b"x" * size)


@pytest.fixture
def small_disk(tmp_path):
    directory = tmp_path / "disk"
    directory.mkdir()
    mounting = f"mount -t tmpfs -o size={SMALL_DISK_BYTES} none {directory} && echo mounted && exec cat"
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounting]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        if not holder.stdout.readline():
            pytest.skip("no disk can be mounted here without being root")
        prefix = ["nsenter", "--user", "--preserve-credentials", "--mount", f"--target={holder.pid}"]
        yield SmallDisk(prefix, directory, Path(f"/proc/{holder.pid}/root{directory}"))
        holder.stdin.close()
