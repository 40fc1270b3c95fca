"""Settings of a job that are given one by one, as `model.categories=6`."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from catvq_client.errors import ConfigFileError
from catvq_client.job_files.config_file import read_value
from catvq_client.job_files.run_file import RunFile


def with_settings(run_file: RunFile, settings: Iterable[str]) -> RunFile:
    """Return a run with settings added or replaced; values are YAML, `families` is for the upload.

    Raises:
        ConfigFileError: A setting is not KEY=VALUE, or its value is not YAML.
    """
    job, families = dict(run_file.job), run_file.families
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not key or not separator:
            raise ConfigFileError(f"{setting!r} is not KEY=VALUE, such as model.categories=6")
        value = read_value(text)
        if key == "families":
            families = value
        else:
            _put(job, key.split("."), value)
    return replace(run_file, job=job, families=families)


def _put(target: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a value in nested mappings, which are copied on the way."""
    for name in path[:-1]:
        inner = target.get(name)
        target[name] = dict(inner) if isinstance(inner, dict) else {}
        target = target[name]
    target[path[-1]] = value
