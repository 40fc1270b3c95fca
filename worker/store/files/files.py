"""The files of datasets, models and jobs by key, wherever they are kept.

A key is a path such as `datasets/ds_1/values.npy`. What has a key never changes. A file is published before
the row that names it, and removed after that row; so the rows tell what there is, and what was torn is never
seen.
"""

from pathlib import Path
from typing import Protocol

from worker.contract.settings import ServiceSettings


class Files(Protocol):
    """Files by key; processes on all machines see the same ones.

    Every method raises StoreUnavailable while the storage does not answer.
    """

    @property
    def spool_dir(self) -> Path:
        """A directory of this machine for what is not finished; `publish` moves files out of it."""

    @property
    def interval_s(self) -> float:
        """The least time between two files that a running job publishes."""

    @property
    def scan_interval_s(self) -> float:
        """The least time between two looks at all files."""

    def prepare(self) -> None:
        """Create what is missing, and check that files can be written.

        Raises:
            StoreUnavailable: They cannot.
        """

    def work_path(self, key: str, token: int) -> Path:
        """Where an attempt at a job keeps a file that grows, and finds what an earlier one left, if it can.

        Args:
            token: Of the attempt.
        """

    def publish(self, source: Path, key: str) -> None:
        """Move a finished file or directory of `spool_dir` to a key. Repeated after a failure, it goes on."""

    def fetch(self, key: str) -> Path:
        """Where a file can be read on this machine; it stays readable while it is open.

        Raises:
            FileNotFoundError: There is none; on a disk, opening it raises this.
        """

    def fetch_directory(self, key: str) -> Path:
        """Where the files of a directory can be read; otherwise as `fetch`."""

    def copy(self, key: str, target: Path) -> None:
        """Copy a directory to a new one.

        Raises:
            FileNotFoundError: There is none, or it was removed meanwhile.
        """

    def remove(self, key: str) -> None:
        """Remove a file, or a directory with its files, if it is there."""

    def names(self, key: str) -> list[str]:
        """The names of what is in a directory."""

    def is_aged(self, key: str, seconds: float) -> bool:
        """Whether nothing of a directory was written in so many seconds."""

    def is_there_at_once(self, key: str) -> bool | None:
        """Whether a directory is there; None if that cannot be told without a request."""


def open_files(settings: ServiceSettings, *, holds: bool) -> Files:
    """The files that the settings name.

    Args:
        holds: Keep what is fetched in the cache until this process ends.
    """
    data_dir = settings.data_dir.absolute()
    location = settings.storage_location
    if isinstance(location, Path):
        from worker.store.files.disk import DiskFiles  # noqa: PLC0415

        return DiskFiles(location)
    # Loaded only where it is needed: it takes 10 MB of every process.
    from worker.store.files.bucket import BucketFiles  # noqa: PLC0415
    from worker.store.files.cache import Cache  # noqa: PLC0415

    cache = Cache(data_dir / "cache", max_bytes=settings.storage_cache_bytes, holds=holds)
    return BucketFiles(location, cache, data_dir / "spool")
