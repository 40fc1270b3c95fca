"""Reads training configurations: YAML or JSON, with the API's names or the published layout's keys."""

import json
import re
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import yaml

from catvq_client.errors import ConfigFileError
from catvq_client.job_files.published_layout import is_published_layout, translate
from catvq_client.job_files.run_file import RunFile

FILE_KEYS = ("dataset_path", "families")  # used by the client; everything else is sent to the service


def read_config_file(path: Path) -> RunFile:
    """Read a configuration file in either layout.

    Raises:
        ConfigFileError: The file does not exist, is not YAML or JSON, or is not a mapping.
    """
    document = _parse(path)
    if not isinstance(document, dict):
        raise ConfigFileError(f"{path}: expected a mapping of settings")
    try:
        run_file = translate(document) if is_published_layout(document) else _read_api_names(document)
        json.dumps(run_file.job, allow_nan=False)
    except ConfigFileError as error:
        raise ConfigFileError(f"{path}: {error}") from error
    except (TypeError, ValueError) as error:
        raise ConfigFileError(f"{path}: a value cannot be written as JSON: {error}") from error
    return run_file


def read_value(text: str) -> Any:
    """Parse one value as a configuration file would.

    Raises:
        ConfigFileError: It is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader, made stricter
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigFileError(f"{text!r}: {' '.join(str(error).split())}") from error


def _read_api_names(document: dict[str, Any]) -> RunFile:
    job = {key: value for key, value in document.items() if key not in FILE_KEYS}
    dataset = job.pop("dataset", None)
    families = document.get("families")
    names = families if isinstance(families, list) else ()
    return RunFile(
        job=job,
        dataset=None if dataset is None else str(dataset),
        dataset_path=_path_of(document.get("dataset_path")),
        families=None if names else families,
        family_names=tuple(str(name) for name in names),
    )


def _path_of(value: object) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigFileError(f"dataset_path: expected a path, got {value!r}")
    return Path(value)


def _parse(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigFileError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigFileError(f"{path}: cannot be read: {error}") from error
    try:
        if path.suffix.lower() == ".json":
            return json.loads(text, object_pairs_hook=_unique_mapping)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader, made stricter
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigFileError(f"{path}: {' '.join(str(error).split())}") from error


def _unique_mapping(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise ConfigFileError(f"duplicate key {key!r}")
        mapping[key] = value
    return mapping


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses duplicate keys and reads 1e-8 as a number, as YAML 1.2 does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                raise ConfigFileError(f"duplicate key {key!r} (after line {node.start_mark.line + 1})")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)
