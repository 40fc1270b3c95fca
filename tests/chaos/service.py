"""The real program in parts that can be killed one by one: Redis, APIs and workers, on one machine or two."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import psutil
import sqlalchemy as sa
from catvq_client import Client

from app.embedded.guard import Guard
from app.embedded.ports import free_port
from app.embedded.redis import PrivateRedis
from tests.chaos.machines import GATEWAY, Host, Machine, make_network
from tests.proxy import Proxy
from tests.s3 import CREDENTIALS, new_bucket, running_s3
from worker.contract.announcer import Announcer
from worker.contract.settings import ServiceSettings
from worker.store import Store

LEASE_S = 6.0
READY_S = 180.0
# Whoever is killed every few seconds loses more attempts in a row than a real worker in its life.
MAX_ATTEMPTS = 1000


class Part:
    """One process, started again whenever it has ended."""

    def __init__(self, name, words, directory, environment, guard, machine=None):
        self.machine = machine
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
    """Everything that runs, and the ways to it.

    Args:
        machines: What runs where; by default an API and two workers here.
        shared: Settings of all of them, such as where files are kept.
        redis_host: Where the queue is asked for, if not on loopback.
        faults: What makes the object storage fail, where there is one.
    """

    def __init__(
        self, directory, database_url, guard, *, machines=None, shared=None, redis_host=None, faults=None
    ):
        self.faults = faults
        self.settings = ServiceSettings(
            data_dir=directory / "data",
            database_url=database_url,
            redis_url="redis://unused",
            lease_s=LEASE_S,
            max_attempts=MAX_ATTEMPTS,
            **shared or {},
        )
        port = free_port()
        here = Machine(
            "machine", self.settings.data_dir, f"http://127.0.0.1:{port}", ("worker-1", "worker-2"),
            environment={"CATVQ_PORT": str(port)},
        )  # fmt: skip
        self.machines = machines or [here]
        self.redis = PrivateRedis.prepare(directory)
        self.log_dir = directory / "logs"
        self.log_dir.mkdir()
        self.store = Store.open(self.settings)
        self.announcer = Announcer(self.redis.url)
        self._guard = guard
        self._proxy = Proxy(("127.0.0.1", self.redis.port), redis_host) if redis_host else None
        self.redis_part = Part(
            "redis", self.redis.command, self.redis.directory, self.redis.environment, guard
        )
        self.apis = [self._python(machine, f"api-{machine.name}", ["app"]) for machine in self.machines]
        self.workers = [self._worker(machine, name) for machine in self.machines for name in machine.workers]

    @property
    def parts(self):
        return [self.redis_part, *self.apis, *self.workers]

    def parts_of(self, machine):
        """What runs on a machine."""
        return [part for part in (*self.apis, *self.workers) if part.machine is machine]

    def keep_running(self):
        for part in self.parts:
            part.keep_running(self.log_dir)

    def url(self):
        """Of any API."""
        return random.choice(self.machines).url

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
        if self._proxy is not None:
            self._proxy.close()
        self.announcer.close()
        self.store.close()

    def _answers(self):
        with suppress(Exception):
            for machine in self.machines:
                with Client(machine.url) as client:
                    client.jobs.list()
            return True
        return False

    def _worker(self, machine, name):
        options = [
            "--hostname",
            f"{name}@chaos",
            "--loglevel",
            "INFO",
            "--without-gossip",
            "--without-mingle",
        ]
        words = ["celery", "-A", "worker.queue.celery_app", "worker", *options]
        return self._python(machine, name, words)

    def _python(self, machine, name, words):
        redis_url = self.redis.url
        if self._proxy is not None:
            redis_url = redis_url.replace(f"127.0.0.1:{self.redis.port}", f"{GATEWAY}:{self._proxy.port}")
        environment = os.environ | {
            "CATVQ_DATA_DIR": str(machine.data_dir),
            "CATVQ_DATABASE_URL": self.settings.sqlalchemy_url,
            "CATVQ_REDIS_URL": redis_url,
            "CATVQ_LEASE_S": str(LEASE_S),
            "CATVQ_DATABASE_TIMEOUT_S": str(self.settings.database_timeout_s),
            "CATVQ_MAX_ATTEMPTS": str(MAX_ATTEMPTS),
            "CATVQ_WORKER_NAME": name,
            "CATVQ_THREADS": "1",
            "OMP_WAIT_POLICY": "passive",
        }
        words = [*machine.command, sys.executable, "-m", *words]
        return Part(name, words, machine.root, environment | machine.environment, self._guard, machine)


@contextmanager
def running(directory, database_url):
    """The whole service for the length of a `with` block."""
    with Guard() as guard:
        yield from _run(Service(directory, database_url, guard))


@contextmanager
def running_on_hosts(directory, database_url, other_version=None):
    """The service on two machines that share a database, a queue and an object storage, and nothing else.

    The process is in a network namespace of its own, in which nothing listens yet.

    Args:
        database_url: Of PostgreSQL, by the directory of its Unix socket, which is reached from anywhere.
        other_version: The directory of the version of catvq that the second machine runs, if not this one.
    """
    make_network()
    url = sa.make_url(database_url)
    database = Proxy(f"{url.query['host']}/.s.PGSQL.{url.port or 5432}", GATEWAY)
    shared_url = url.difference_update_query(["host"]).set(host=GATEWAY, port=database.port)
    os.environ.update(CREDENTIALS)
    with Guard() as guard, running_s3() as server, new_bucket(server, GATEWAY) as bucket:
        own = {name: value for name, value in bucket.environment.items() if name.startswith("CATVQ_")}
        roots = [Machine.root, other_version or Machine.root]
        hosts = [Host(number, directory, own, root) for number, root in enumerate(roots, start=1)]
        try:
            service = Service(
                directory,
                shared_url.render_as_string(hide_password=False),
                guard,
                machines=hosts,
                shared=bucket.settings | {"database_timeout_s": LEASE_S / 3},
                redis_host=GATEWAY,
                faults=bucket.faults,
            )
            yield from _run(service)
        finally:
            for host in hosts:
                host.close()
            database.close()


def _run(service):
    try:
        service.wait_until_ready()
        yield service
    finally:
        service.stop()
