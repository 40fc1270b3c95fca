"""Fits a job that a file describes to the dataset that it is for."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from catvq_client.errors import ConfigFileError
from catvq_client.job_files.published_data import FIELDS_SUFFIX
from catvq_client.job_files.run_file import IgnoredKey, RunFile
from catvq_client.records import Dataset

HELD_OUT = 0.2  # of the rows, for validation and test together, where the job says nothing
PYRAMID_LEVEL = re.compile(r"_p\d+$")  # of the published layout's families of series


def fit_job(
    job: Mapping[str, Any], run_file: RunFile, dataset: Dataset, devices: Callable[[], Iterable[str]]
) -> tuple[dict[str, Any], list[str | IgnoredKey]]:
    """Return a job that the service takes for a dataset, and what was changed or has no effect with it.

    Args:
        job: Its sections.
        run_file: Where it comes from.
        dataset: What it is for.
        devices: Asks for those of the workers.

    Raises:
        ConfigFileError: The file of categories cannot be read, or names no features of the dataset.
    """
    fitted = {
        name: dict(section) if isinstance(section, Mapping) else section for name, section in job.items()
    }
    training = fitted.setdefault("training", {})
    notes: list[str | IgnoredKey] = [*_fit_batch(training, dataset), *_fit_device(training, devices)]
    notes += _fit_isolated(fitted.get("assignment") or {}, dataset)
    given = (fitted.get("model") or {}).get("categories")
    if run_file.category_ranges and isinstance(given, int):
        reason = f"there are {given} categories in all"
        notes.append(IgnoredKey("per_family_params", run_file.category_ranges, reason))
    elif run_file.category_ranges:
        counts = _count_categories(run_file.category_ranges, dataset)
        fitted.setdefault("model", {})["categories"] = counts
        fitted.setdefault("assignment", {})["per_family"] = True
        listed = ", ".join(f"{family} {count}" for family, count in counts.items())
        notes.append(f"categories within the ranges of per_family_params: {listed}")
    if run_file.mapping_path is not None:
        fitted.setdefault("assignment", {}).update(init="user", groups=_read_groups(run_file, dataset))
    return fitted, notes


def _fit_batch(training: dict[str, Any], dataset: Dataset) -> Iterator[str]:
    held_out = sum(training.get(f"{part}_fraction", HELD_OUT / 2) for part in ("validation", "test"))
    rows = max(2, math.floor(dataset.rows * (1 - held_out)))
    batch = training.get("batch_size")
    if isinstance(batch, int) and batch > rows:
        training["batch_size"] = rows
        yield f"training.batch_size {batch} is more than the {rows} rows to train on: {rows} is taken"


def _fit_device(training: dict[str, Any], devices: Callable[[], Iterable[str]]) -> Iterator[str]:
    device = training.get("device")
    if not isinstance(device, str) or not device.startswith("cuda"):
        return
    found = list(devices())
    if found and not any(each == device or each.startswith(f"{device}:") for each in found):
        training["device"] = "auto"
        yield f"training.device: no worker has {device}, there are {', '.join(found)}: auto is taken"


def _fit_isolated(assignment: dict[str, Any], dataset: Dataset) -> Iterator[IgnoredKey]:
    """Keep a family's fields apart, too, and leave out families that the dataset does not have."""
    names = assignment.get("isolated_families")
    if not names:
        return
    found = [each for name in names for each in (name, f"{name}{FIELDS_SUFFIX}") if each in dataset.families]
    assignment["isolated_families"] = found
    if unknown := [name for name in names if name not in dataset.families]:
        yield IgnoredKey("isolated_families", unknown, "the dataset has no such family")


def _count_categories(ranges: Mapping[str, tuple[int, int]], dataset: Dataset) -> dict[str, int]:
    """Return a number of categories for each family: the square root of its features, within its range."""
    limits: dict[str, tuple[int, int]] = {}
    for name, (fewest, most) in ranges.items():
        family = name if name in dataset.families else PYRAMID_LEVEL.sub("", name)
        before = limits.get(family, (0, 0))
        limits[family] = (before[0] + fewest, before[1] + most)
    counts: dict[str, int] = {}
    for family, info in dataset.families.items():
        fewest, most = limits.get(family, (1, info.features))
        wanted = round(math.sqrt(info.features))
        counts[family] = min(max(wanted, fewest, 1), most, info.features)
    return counts


def _read_groups(run_file: RunFile, dataset: Dataset) -> dict[str, list[str]]:
    """Return the features of each category, which a file gives by name or by position."""
    path = run_file.mapping_path
    try:
        mapping = json.loads(path.read_text(encoding="utf-8")) if path else None
    except (OSError, ValueError) as error:
        raise ConfigFileError(f"{path}: not a readable file of categories ({error})") from error
    if not isinstance(mapping, dict) or not all(isinstance(members, list) for members in mapping.values()):
        raise ConfigFileError(f"{path}: expected JSON {{category: [features]}}")
    return {
        str(category): [_feature(member, dataset, str(path)) for member in members]
        for category, members in mapping.items()
    }


def _feature(member: Any, dataset: Dataset, path: str) -> str:
    if isinstance(member, int) and 0 <= member < len(dataset.features):
        return dataset.features[member]
    if member in dataset.features:
        return str(member)
    raise ConfigFileError(f"{path}: the dataset has no feature {member!r}")
