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


@dataclass(frozen=True, kw_only=True)
class PublishedData:
    """What the published layout says of its HDF5 file.

    Args:
        families: The settings of each family, such as encoder and path.
        max_samples: Rows to read; None: all.
        exclude: Names or globs of features to leave out.
        trim: Leave out rows that are all zero, or the same as an earlier one.
    """

    families: dict[str, Any]
    max_samples: int | None = None
    exclude: tuple[str, ...] = ()
    trim: bool = False


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
        published: How to read a file in the published layout; None: in another.
        category_ranges: Fewest and most categories of each family.
        mapping_path: A file that says the features of each category, by name or position.
    """

    job: dict[str, Any]
    dataset: str | None = None
    dataset_path: Path | None = None
    families: str | dict[str, list[str]] | None = None
    family_names: tuple[str, ...] = ()
    ignored_keys: tuple[IgnoredKey, ...] = field(default=())
    is_verbose: bool = False
    published: PublishedData | None = None
    category_ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    mapping_path: Path | None = None
