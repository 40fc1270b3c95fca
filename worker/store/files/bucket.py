"""Files in an object storage that speaks S3, read through a cache on this machine's disk."""

import os
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import obstore
from obstore import exceptions
from obstore.store import S3Store

from worker.contract.settings import Bucket
from worker.store.database import durable_files
from worker.store.database.errors import StorageUnavailable
from worker.store.files.cache import Cache, size_of

PIECE_BYTES = 8 << 20  # read with one request, which is repeated by itself
PIECES_AT_ONCE = 4
REQUEST_TIMEOUT = timedelta(seconds=30)
UPLOADS = 3
RETRY_FOR = timedelta(seconds=20)  # afterwards the caller hears of it
INTERVAL_S = 10.0
SCAN_INTERVAL_S = 3600.0  # each look lists the whole bucket


class BucketFiles:
    """Files as objects below a prefix of a bucket.

    A directory is all objects below its key. Errors name the bucket and the kind of failure only: what the
    storage answers may hold parts of credentials.
    """

    interval_s = INTERVAL_S
    scan_interval_s = SCAN_INTERVAL_S

    def __init__(self, bucket: Bucket, cache: Cache, spool_dir: Path) -> None:
        self._bucket = bucket
        self._cache = cache
        self.spool_dir = spool_dir

    @cached_property
    def _store(self) -> S3Store:
        endpoint = self._bucket.endpoint
        is_plain = (endpoint or "").startswith("http://")
        return S3Store(
            self._bucket.name,
            prefix=self._bucket.prefix or None,
            config=None if endpoint is None else {"endpoint": endpoint},
            client_options={"allow_http": is_plain, "timeout": REQUEST_TIMEOUT},
            retry_config={"max_retries": 10, "retry_timeout": RETRY_FOR},
        )

    def prepare(self) -> None:
        """Create the cache, and write and remove an object: see `Files`."""
        self.spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._cache.prepare()
        key = f"proofs/{secrets.token_hex(8)}"
        with self._translated_errors():
            try:
                obstore.put(self._store, key, b"catvq")
                obstore.delete(self._store, key)
            except FileNotFoundError:
                raise StorageUnavailable(f"There is no bucket {self._bucket.name!r}.") from None

    def work_path(self, key: str, token: int) -> Path:
        """A file of this attempt alone, since others may run on other machines: see `Files`."""
        return self.spool_dir / f"{PurePosixPath(key).parent.name}-{token}-{PurePosixPath(key).name}"

    def publish(self, source: Path, key: str) -> None:
        """Upload it, then move it into the cache: see `Files`."""
        files = sorted(source.rglob("*")) if source.is_dir() else [source]
        with self._translated_errors():
            for path in files:
                if path.is_file():
                    self._upload(path, str(PurePosixPath(key) / path.relative_to(source)))
        self._cache.make_room(size_of(source))
        self._cache.keep(source, key)

    def _upload(self, path: Path, key: str) -> None:
        """Upload a file, again from the start if that fails.

        The library repeats requests, but not one whose answer was cut: it may have ended an upload in parts.
        """
        for _ in range(UPLOADS - 1):
            with suppress(exceptions.GenericError):
                obstore.put(self._store, key, path)
                return
        obstore.put(self._store, key, path)

    def fetch(self, key: str) -> Path:
        """Its copy in the cache: see `Files`."""
        if (path := self._cache.find(key)) is not None:
            return path
        with self._translated_errors():
            size_bytes = obstore.head(self._store, key)["size"]
        with self._cache.unfinished(size_bytes) as directory:
            self._download(key, size_bytes, directory / "copy")
            return self._cache.keep(directory / "copy", key)

    def fetch_directory(self, key: str) -> Path:
        """Its copy in the cache: see `Files`."""
        if (path := self._cache.find(key)) is not None:
            return path
        objects = self._objects(key)
        with self._cache.unfinished(sum(each["size"] for each in objects)) as directory:
            self._download_all(key, objects, directory / "copy")
            return self._cache.keep(directory / "copy", key)

    def copy(self, key: str, target: Path) -> None:
        """Download a directory: see `Files`."""
        self._download_all(key, self._objects(key), target)

    def remove(self, key: str) -> None:
        """Delete its objects and its copy here: see `Files`."""
        with self._translated_errors():
            for objects in obstore.list(self._store, key, chunk_size=1000):
                obstore.delete(self._store, [each["path"] for each in objects])
            obstore.delete(self._store, key)
        self._cache.drop(key)

    def names(self, key: str) -> list[str]:
        """The names of objects, and of prefixes, directly below a key: see `Files`."""
        with self._translated_errors():
            found = obstore.list_with_delimiter(self._store, key)
        paths = [*found["common_prefixes"], *(each["path"] for each in found["objects"])]
        return [PurePosixPath(path).name for path in paths]

    def is_aged(self, key: str, seconds: float) -> bool:
        """By the newest object: see `Files`."""
        newest = max((each["last_modified"].timestamp() for each in self._objects(key)), default=time.time())
        return bool(newest < time.time() - seconds)

    def is_there_at_once(self, _key: str) -> bool | None:
        """Cannot be told without a request: see `Files`."""
        return None

    def _objects(self, key: str) -> list[Any]:
        with self._translated_errors():
            return [each for objects in obstore.list(self._store, key) for each in objects]

    def _download_all(self, key: str, objects: list[Any], target: Path) -> None:
        if not objects:
            raise FileNotFoundError(key)
        for each in objects:
            path = target / PurePosixPath(each["path"]).relative_to(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._download(each["path"], each["size"], path)

    def _download(self, key: str, size_bytes: int, path: Path) -> None:
        """Write an object of this size to a new file, piece by piece."""

        def read(start: int) -> Any:
            end = min(start + PIECE_BYTES, size_bytes)
            return obstore.get_range(self._store, key, start=start, end=end)

        starts = range(0, size_bytes, PIECE_BYTES)
        with self._translated_errors(), path.open("wb") as file, ThreadPoolExecutor(PIECES_AT_ONCE) as pool:
            for first in range(0, len(starts), PIECES_AT_ONCE):  # no more in memory at once
                for piece in pool.map(read, starts[first : first + PIECES_AT_ONCE]):
                    file.write(piece)
            if file.tell() != size_bytes:
                raise StorageUnavailable("The object storage gave less of a file than it has.")
        durable_files.sync_file(path)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, exceptions.NotFoundError):
            raise FileNotFoundError(self._bucket.name) from None
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError):
            raise StorageUnavailable(
                f"The object storage refuses these credentials (AWS_*) for the bucket {self._bucket.name!r}."
            ) from None
        except exceptions.BaseError as error:
            raise StorageUnavailable(
                f"The object storage does not answer for the bucket {self._bucket.name!r} "
                f"({type(error).__name__}).{_hint()}"
            ) from None


def _hint() -> str:
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return ""
    return " As AWS_ACCESS_KEY_ID is not set, credentials were looked for in the role of this machine."
