"""The content of a configuration file, independent of its layout."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class IgnoredKey:
    """A key of the file that has no effect, with the reason."""

    key: str
    value: Any
    reason: str

    def __str__(self) -> str:
        """Return one line: key, value and reason."""
        return f"{self.key} = {self.value!r}: {self.reason}"


@dataclass(frozen=True)
class RunFile:
    """A training run described by a file.

    Args:
        job: The body of a job, without its dataset.
        dataset: Id of an uploaded dataset.
        dataset_path: A table to upload.
        families: Families of a flat table: `{family: [features]}`, or a rule such as `prefix:_`.
        family_names: Families to select from a file with one array per family; empty for all.
        ignored_keys: All keys without effect.
        is_verbose: Whether the file asks for verbose output.
    """

    job: dict[str, Any]
    dataset: str | None = None
    dataset_path: Path | None = None
    families: str | dict[str, list[str]] | None = None
    family_names: tuple[str, ...] = ()
    ignored_keys: tuple[IgnoredKey, ...] = field(default=())
    is_verbose: bool = False
