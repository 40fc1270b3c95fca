"""Starts the parts of the service in order, keeps them running, and ends them in order."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from app.auth.gate import NoKeysError, check_may_listen
from app.embedded.child import Child, Command
from app.embedded.guard import Guard
from app.embedded.lock import locked
from app.embedded.ports import free_port, is_free
from app.embedded.readiness import api_is_ready, worker_answers
from app.embedded.redis import PrivateRedis
from app.embedded.stopping import StopWish
from app.settings import ApiSettings
from worker.store import Store

WORKER_NODE = "worker@embedded"
# There are no other workers to talk with.
WORKER_OPTIONS = ["--hostname", WORKER_NODE, "--loglevel", "INFO", "--without-gossip", "--without-mingle"]

TICK_S = 0.25
READY_TIMEOUT_S = 120.0
ENDS_BEFORE_READY = 3  # of one part, before the start is given up
# A worker saves its job and a request is answered in seconds; the whole stop is promised within 60.
DRAIN_TIMEOUT_S = 45.0
REDIS_STOP_TIMEOUT_S = 8.0

_log = logging.getLogger("catvq")


class StartError(RuntimeError):
    """The service cannot be brought up; the text says why, for its user."""


class StoppedEarlyError(Exception):
    """The service was asked to stop before it was ready."""


@dataclass(frozen=True)
class Place:
    """Where the service listens and keeps its data.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 chooses a free one.
        data_dir: Holds datasets, models, the database, the queue and the logs.
        api_workers: Processes of the API.
    """

    host: str
    port: int
    data_dir: Path
    api_workers: int = 1

    @property
    def local_host(self) -> str:
        """Where a client on this machine reaches the service."""
        return "127.0.0.1" if self.host == "0.0.0.0" else self.host  # noqa: S104 - compared, not listened on


def run(place: Place) -> None:
    """Run the service until it is asked to stop.

    Raises:
        DirectoryInUseError: Another service uses the data directory.
        DirectoryUnusableError: Nothing can be kept there.
        StartError: The settings or the port will not do, or a part does not come up.
        RedisNotFoundError: There is no Redis server to start.
    """
    wish = StopWish()
    check_settings(place)
    with locked(place.data_dir) as lock, Guard(lock) as guard:
        supervisor = Supervisor(with_port(place), wish, guard)
        try:
            supervisor.start()
            supervisor.keep_running()
        except StoppedEarlyError:
            _log.info("asked to stop before the service was ready")
        finally:
            supervisor.stop()


def check_settings(place: Place) -> None:
    """Check what the API would refuse, before anything is started.

    Raises:
        StartError: A setting in the environment is wrong.
    """
    try:
        ApiSettings(host=place.host, port=place.port)
    except ValidationError as error:
        # Without the values: some hold passwords.
        problems = [f"{'.'.join(map(str, found['loc']))} {found['msg']}".strip() for found in error.errors()]
        raise StartError("; ".join(problems)) from None


def with_port(place: Place) -> Place:
    """Return `place` with a port that is free.

    Raises:
        StartError: The port that was asked for is taken.
    """
    if place.port == 0:
        return replace(place, port=free_port(place.host))
    if not is_free(place.host, place.port):
        raise StartError(f"port {place.port} on {place.host} is taken: choose another, or 0 for a free one")
    return place


class Supervisor:
    """Redis, the API and one worker, as child processes."""

    def __init__(self, place: Place, wish: StopWish, guard: Guard) -> None:
        self._place = place
        self._wish = wish
        self._guard = guard
        self._redis = PrivateRedis.prepare(place.data_dir)
        self._children: list[Child] = []

    def start(self) -> None:
        """Start every part and say on standard output when the service can serve.

        Raises:
            StartError: A part does not come up.
            StoppedEarlyError: Somebody asked to stop first.
        """
        self._migrate()
        self._check_keys()
        self._add(Command("redis", self._redis.command, self._redis.environment, self._redis.directory))
        self._wait_until(self._redis.is_answering)
        self._add(self._python("api", "app", "--workers", str(self._place.api_workers)))
        self._add(
            self._python("worker", "celery", "-A", "worker.queue.celery_app", "worker", *WORKER_OPTIONS)
        )
        self._wait_until(self._can_serve)
        url = f"http://{self._place.local_host}:{self._place.port}"
        print(f"catvq is ready on {url}", flush=True)  # noqa: T201 - the line that callers wait for

    def keep_running(self) -> None:
        """Start again whatever ends, until asked to stop."""
        while not self._wish.is_set:
            self._tick(self._children)

    def stop(self) -> None:
        """End the API and the worker together, then Redis, which both need until their end."""
        redis, others = self._children[:1], self._children[1:]
        for child in others:
            child.ask_to_end()
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        while any(child.is_running for child in others) and time.monotonic() < deadline:
            self._tick(redis)
        for child in others:
            child.end(deadline)
        for child in redis:
            child.ask_to_end()
            child.end(time.monotonic() + REDIS_STOP_TIMEOUT_S)

    def _tick(self, children: list[Child]) -> None:
        self._guard.keep_running()
        for child in children:
            child.keep_running()
        time.sleep(TICK_S)

    def _add(self, command: Command) -> None:
        log_path = self._place.data_dir / "logs" / f"{command.name}.log"
        child = Child(command, log_path, self._guard)
        child.keep_running()
        self._children.append(child)

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not condition():
            if self._wish.is_set:
                raise StoppedEarlyError
            for child in self._children:
                if child.number_of_ends >= ENDS_BEFORE_READY:
                    raise StartError(f"{child.command.name} does not come up:\n{child.last_output()}")
            if time.monotonic() > deadline:
                raise StartError(f"not ready within {READY_TIMEOUT_S:g} s: see {self._place.data_dir}/logs")
            self._tick(self._children)

    def _can_serve(self) -> bool:
        return api_is_ready(self._place.local_host, self._place.port) and worker_answers(
            self._redis.url, WORKER_NODE
        )

    def _migrate(self) -> None:
        command = self._python("migrate", "worker.store", "migrate")
        # A process group of its own, so that Ctrl-C does not tear it.
        done = subprocess.run(
            command.words,
            env=command.environment,
            capture_output=True,
            text=True,
            check=False,
            process_group=0,
        )
        if done.returncode != 0:
            raise StartError(f"the database cannot be brought up to date:\n{done.stdout}{done.stderr}")

    def _check_keys(self) -> None:
        settings = ApiSettings(host=self._place.host, data_dir=self._place.data_dir)
        store = Store.connect(settings)
        try:
            check_may_listen(settings, store)
        except NoKeysError as error:
            raise StartError(str(error)) from None
        finally:
            store.close()

    def _python(self, name: str, module: str, *arguments: str) -> Command:
        environment = os.environ | {
            "CATVQ_HOST": self._place.host,
            "CATVQ_PORT": str(self._place.port),
            "CATVQ_DATA_DIR": str(self._place.data_dir),
            "CATVQ_REDIS_URL": self._redis.url,
            "PYTHONUNBUFFERED": "1",
        }
        return Command(name, [sys.executable, "-m", module, *arguments], environment)
