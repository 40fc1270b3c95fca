"""What a configuration file asks for, whichever layout it was written in."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Unhonoured:
    """A key of the file that has no effect, and why."""

    key: str
    value: Any
    reason: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.key} = {self.value!r}: {self.reason}"


@dataclass(frozen=True)
class RunFile:
    """A run as a file describes it.

    Args:
        job: The body of a job, without its dataset.
        dataset: Id of a dataset that is uploaded already.
        dataset_path: A table to upload.
        families: Families of a flat table: `{family: [features]}`, or a rule such as `prefix:_`.
        family_names: The families to take from a file that holds one array per family; empty for all.
        unhonoured: Every key without effect.
        is_verbose: Whether the file asks for more to be printed.
    """

    job: dict[str, Any]
    dataset: str | None = None
    dataset_path: Path | None = None
    families: str | dict[str, list[str]] | None = None
    family_names: tuple[str, ...] = ()
    unhonoured: tuple[Unhonoured, ...] = field(default=())
    is_verbose: bool = False
