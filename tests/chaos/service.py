"""The real program in parts that can be killed one by one: Redis, the API and two workers."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from catvq_client import Client

from app.embedded.guard import Guard
from app.embedded.ports import free_port
from app.embedded.redis import PrivateRedis
from worker.contract.announcer import Announcer
from worker.contract.settings import ServiceSettings
from worker.store import Store

LEASE_S = 6.0
READY_S = 180.0
# Whoever is killed every few seconds loses more attempts in a row than a real worker in its life.
MAX_ATTEMPTS = 1000


class Part:
    """One process, started again whenever it has ended."""

    def __init__(self, name, words, directory, environment, guard):
        self.name = name
        self._words = words
        self._directory = directory
        self._environment = environment
        self._guard = guard
        self.process = None

    def keep_running(self, log_dir):
        if self.process is not None and self.process.poll() is None:
            return
        with (log_dir / f"{self.name}.log").open("ab") as log:
            self.process = psutil.Popen(
                self._words,
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        self._guard.add(self.process.pid)

    def training_processes(self):
        """The process that a worker works in, where it is working."""
        with suppress(psutil.NoSuchProcess):
            servers = [p for p in self.process.children() if "forkserver" in " ".join(p.cmdline())]
            return [process for server in servers for process in server.children()]
        return []


class Service:
    """Everything that runs, and the ways to it."""

    def __init__(self, directory, database_url, guard):
        self.settings = ServiceSettings(
            data_dir=directory / "data",
            database_url=database_url,
            redis_url="redis://unused",
            lease_s=LEASE_S,
            max_attempts=MAX_ATTEMPTS,
        )
        self.redis = PrivateRedis.prepare(directory)
        self.log_dir = directory / "logs"
        self.log_dir.mkdir()
        self.store = Store.open(self.settings)
        self.announcer = Announcer(self.redis.url)
        self.port = free_port()
        self._guard = guard
        redis = Part("redis", self.redis.command, self.redis.directory, self.redis.environment, guard)
        self.redis_part, self.api = redis, self._python("api", ["app"])
        self.workers = [self._worker(name) for name in ("worker-1", "worker-2")]

    @property
    def parts(self):
        return [self.redis_part, self.api, *self.workers]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def keep_running(self):
        for part in self.parts:
            part.keep_running(self.log_dir)

    def client(self):
        return Client(self.url)

    def wait_until_ready(self):
        deadline = time.monotonic() + READY_S
        while not (self.redis.is_answering() and self._answers() and len(self.store.workers.list()) == 2):
            assert time.monotonic() < deadline, f"not ready: see {self.log_dir}"
            self.keep_running()
            time.sleep(0.2)

    def stop(self):
        """End everything, the training processes that lost their workers included."""
        for part in self.parts:
            with suppress(ProcessLookupError):
                os.killpg(part.process.pid, signal.SIGKILL)
            part.process.wait()
        self.announcer.close()
        self.store.close()

    def _answers(self):
        with suppress(Exception), self.client() as client:
            client.jobs.list()
            return True
        return False

    def _worker(self, name):
        options = [
            "--hostname",
            f"{name}@chaos",
            "--loglevel",
            "INFO",
            "--without-gossip",
            "--without-mingle",
        ]
        return self._python(name, ["celery", "-A", "worker.queue.celery_app", "worker", *options])

    def _python(self, name, words):
        environment = os.environ | {
            "CATVQ_DATA_DIR": str(self.settings.data_dir),
            "CATVQ_DATABASE_URL": self.settings.sqlalchemy_url,
            "CATVQ_REDIS_URL": self.redis.url,
            "CATVQ_LEASE_S": str(LEASE_S),
            "CATVQ_PORT": str(self.port),
            "CATVQ_MAX_ATTEMPTS": str(MAX_ATTEMPTS),
            "CATVQ_WORKER_NAME": name,
            "CATVQ_THREADS": "1",
            "OMP_WAIT_POLICY": "passive",
        }
        return Part(name, [sys.executable, "-m", *words], Path(__file__).parents[2], environment, self._guard)


@contextmanager
def running(directory, database_url):
    """The whole service for the length of a `with` block."""
    with Guard() as guard:
        service = Service(directory, database_url, guard)
        try:
            service.wait_until_ready()
            yield service
        finally:
            service.stop()
