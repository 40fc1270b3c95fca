"""Supervisor of the embedded service: starts Redis, the API and a worker, restarts them, stops them."""

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
from app.embedded.stopping import StopRequest
from app.settings import ApiSettings
from worker.store import Store

WORKER_NODE = "worker@embedded"
# It is the only worker: gossip and mingle would find no other.
WORKER_OPTIONS = ["--hostname", WORKER_NODE, "--loglevel", "INFO", "--without-gossip", "--without-mingle"]

TICK_S = 0.25
READY_TIMEOUT_S = 120.0
ENDS_BEFORE_READY = 3  # the start is given up if one process ends this often
# A worker saves its job within seconds; the service must have stopped within 60 s.
DRAIN_TIMEOUT_S = 45.0
REDIS_STOP_TIMEOUT_S = 8.0

_log = logging.getLogger("catvq")


class StartError(RuntimeError):
    """The service cannot be started; the text tells the user why."""


class StoppedEarlyError(Exception):
    """A stop was requested before the service was ready."""


@dataclass(frozen=True)
class Options:
    """Command-line options of the embedded service.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 chooses a free one.
        data_dir: Holds datasets, models, the database, the queue and the logs.
        api_workers: Number of API processes.
    """

    host: str
    port: int
    data_dir: Path
    api_workers: int = 1

    @property
    def local_host(self) -> str:
        """The host by which clients on this machine connect."""
        return "127.0.0.1" if self.host == "0.0.0.0" else self.host  # noqa: S104 - compared, not listened on


def run(options: Options) -> None:
    """Run the service until a stop is requested.

    Raises:
        DirectoryInUseError: Another service uses the data directory.
        DirectoryUnusableError: The data directory cannot be created or written to.
        StartError: A setting is invalid, the port is taken, or a process does not start.
        RedisNotFoundError: No Redis server is installed.
    """
    stop_request = StopRequest()
    check_settings(options)
    with locked(options.data_dir) as lock, Guard(lock) as guard:
        supervisor = Supervisor(with_port(options), stop_request, guard)
        try:
            supervisor.start()
            supervisor.keep_running()
        except StoppedEarlyError:
            _log.info("stopped before the service was ready")
        finally:
            supervisor.stop()


def check_settings(options: Options) -> None:
    """Validate the API's settings before anything is started.

    Raises:
        StartError: A setting in the environment is invalid.
    """
    try:
        ApiSettings(host=options.host, port=options.port)
    except ValidationError as error:
        # Without the values: some hold passwords.
        problems = [f"{'.'.join(map(str, found['loc']))} {found['msg']}".strip() for found in error.errors()]
        raise StartError("; ".join(problems)) from None


def with_port(options: Options) -> Options:
    """Return `options` with a free port.

    Raises:
        StartError: The requested port is taken.
    """
    if options.port == 0:
        return replace(options, port=free_port(options.host))
    if not is_free(options.host, options.port):
        raise StartError(
            f"port {options.port} on {options.host} is taken: choose another, or 0 for a free one"
        )
    return options


class Supervisor:
    """Runs Redis, the API and one worker as child processes."""

    def __init__(self, options: Options, stop_request: StopRequest, guard: Guard) -> None:
        self._options = options
        self._stop_request = stop_request
        self._guard = guard
        self._redis = PrivateRedis.prepare(options.data_dir)
        self._children: list[Child] = []

    def start(self) -> None:
        """Start all processes; print a line on standard output once the service is ready.

        Raises:
            StartError: A process does not start.
            StoppedEarlyError: A stop was requested first.
        """
        self._migrate()
        self._check_keys()
        self._add(Command("redis", self._redis.command, self._redis.environment, self._redis.directory))
        self._wait_until(self._redis.is_answering)
        self._add(self._python("api", "app", "--workers", str(self._options.api_workers)))
        self._add(self._python("worker", "worker.queue", *WORKER_OPTIONS))
        self._wait_until(self._can_serve)
        url = f"http://{self._options.local_host}:{self._options.port}"
        print(f"catvq is ready on {url}", flush=True)  # noqa: T201 - the line that callers wait for

    def keep_running(self) -> None:
        """Restart processes that end, until a stop is requested."""
        while not self._stop_request.is_set:
            self._tick(self._children)

    def stop(self) -> None:
        """Stop the API and the worker together, then Redis, which both need until they end."""
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
        log_path = self._options.data_dir / "logs" / f"{command.name}.log"
        child = Child(command, log_path, self._guard)
        child.keep_running()
        self._children.append(child)

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not condition():
            if self._stop_request.is_set:
                raise StoppedEarlyError
            for child in self._children:
                if child.number_of_ends >= ENDS_BEFORE_READY:
                    raise StartError(f"{child.command.name} does not start:\n{child.last_output()}")
            if time.monotonic() > deadline:
                raise StartError(f"not ready within {READY_TIMEOUT_S:g} s: see {self._options.data_dir}/logs")
            self._tick(self._children)

    def _can_serve(self) -> bool:
        return api_is_ready(self._options.local_host, self._options.port) and worker_answers(
            self._redis.url, WORKER_NODE
        )

    def _migrate(self) -> None:
        command = self._python("migrate", "worker.store", "migrate")
        # Its own process group, so that Ctrl-C does not interrupt it.
        done = subprocess.run(
            command.words,
            env=command.environment,
            capture_output=True,
            text=True,
            check=False,
            process_group=0,
        )
        if done.returncode != 0:
            raise StartError(f"the database cannot be migrated:\n{done.stdout}{done.stderr}")

    def _check_keys(self) -> None:
        settings = ApiSettings(host=self._options.host, data_dir=self._options.data_dir)
        store = Store.connect(settings)
        try:
            check_may_listen(settings, store)
        except NoKeysError as error:
            raise StartError(str(error)) from None
        finally:
            store.close()

    def _python(self, name: str, module: str, *arguments: str) -> Command:
        environment = os.environ | {
            "CATVQ_HOST": self._options.host,
            "CATVQ_PORT": str(self._options.port),
            "CATVQ_DATA_DIR": str(self._options.data_dir),
            "CATVQ_REDIS_URL": self._redis.url,
            "PYTHONUNBUFFERED": "1",
        }
        return Command(name, [sys.executable, "-m", module, *arguments], environment)
