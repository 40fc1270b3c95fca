"""Translates the published layout's keys into a job; keys without a counterpart are reported."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from catvq_client.errors import ConfigFileError
from catvq_client.job_files.published_keys import (
    CHOICES,
    ENCODER,
    FIXED,
    REFUSED,
    RENAMED,
    UNKNOWN,
)
from catvq_client.job_files.published_outliers import TAKERS
from catvq_client.job_files.run_file import PublishedData, RunFile
from catvq_client.job_files.translation import Translation
from catvq_client.suggestions import did_you_mean

MARKERS = frozenset(
    {
        "learnable_assignment",
        "category_assignment_config",
        "feature_cleaning",
        "random_seed",
        "checkpoint_dir",
        "logging",
    }
)


# Keys of both layouts, beside those that are only carried over.
SHARED = frozenset({"model.compression_ratios", "model.levels", "training.early_stopping_patience"})


def is_published_layout(document: dict[str, Any]) -> bool:
    """Whether a file uses the published layout; one key that only it has is enough."""
    if not MARKERS.isdisjoint(document):
        return True
    own = {key for key in (*RENAMED, *CHOICES, *FIXED, *REFUSED, *SPECIAL) if "." in key}
    shared = {key for key in own if RENAMED.get(key) == key} | SHARED
    return not (own - shared).isdisjoint(_flatten(document)) or _lists_encoders(document.get("families"))


def translate(document: dict[str, Any]) -> RunFile:
    """Translate a file in the published layout.

    Without `training.category_assignment` the assignment is static, the published default.

    Raises:
        ConfigFileError: A section is not a mapping.
    """
    translation = Translation(job={"assignment": {"mode": "static"}})
    flat = _flatten(document)
    for key, value in flat.items():
        _take(translation, key, value, flat)
    names = document.get("families")
    path = document.get("dataset_path") or document.get("input_path")
    families = names if isinstance(names, dict) else {}
    return RunFile(
        job=translation.job,
        dataset_path=None if path is None else Path(str(path)),
        family_names=tuple(families),
        ignored_keys=tuple(translation.ignored_keys),
        is_verbose=flat.get("logging.verbose") is True,
        published=PublishedData(
            families=families,
            max_samples=flat.get("max_samples"),
            exclude=tuple(flat.get("exclude_features") or ()),
            trim=flat.get("trim") is True,
        ),
        category_ranges=translation.category_ranges,
        mapping_path=translation.mapping_path,
    )


READ_ELSEWHERE = frozenset(
    {"dataset_path", "input_path", "logging.verbose", "max_samples", "exclude_features", "trim"}
)


def _take(translation: Translation, key: str, value: Any, flat: dict[str, Any]) -> None:
    """Translate one key, or report why it is ignored."""
    if key in READ_ELSEWHERE:
        return
    if key in RENAMED:
        translation.put(RENAMED[key], value)
    elif key in CHOICES:
        _choose(translation, key, value)
    elif key in FIXED:
        accepted, reason = FIXED[key]
        if value is not None and value != accepted:
            translation.refuse(key, value, reason)
    elif key in SPECIAL:
        SPECIAL[key](translation, value, flat)
    elif value is not None:
        translation.refuse(key, value, REFUSED.get(key) or f"{UNKNOWN}{did_you_mean(key, KNOWN)}")


def _choose(translation: Translation, key: str, value: Any) -> None:
    target, choices = CHOICES[key]
    if isinstance(value, bool | str) and value in choices:
        translation.put(target, choices[value])
    elif value is not None:
        known = ", ".join(str(choice) for choice in choices)
        translation.refuse(key, value, f"supported values: {known}")


def _take_families(translation: Translation, value: Any, _flat: dict[str, Any]) -> None:
    if not isinstance(value, dict):
        translation.refuse("families", value, "expected {family: {encoder, encoder_params}}")
        return
    for name, settings in value.items():
        for key, setting in settings.items() if isinstance(settings, dict) else ():
            is_plain = key == "path" or (
                key == "encoder" and setting in (None, "identity", "IdentityEncoder")
            )
            if not is_plain and setting not in (None, {}):
                translation.refuse(f"families.{name}.{key}", setting, ENCODER)


def _take_ratios(translation: Translation, value: Any, _flat: dict[str, Any]) -> None:
    if value is None:
        return
    if value == "auto":
        translation.put("model.latent_dim", "auto")
        return
    parts = value.split(":") if isinstance(value, str) else value
    try:
        ratios = [float(part) for part in parts]
    except (TypeError, ValueError):
        translation.refuse("model.compression_ratios", value, 'expected "0.5:1.0:1.5", one ratio a level')
        return
    translation.put("model.latent_dim", "auto")
    translation.put("model.levels", len(ratios))
    translation.put("model.compression_ratios", ratios)


def _take_decoder_width(translation: Translation, value: Any, flat: dict[str, Any]) -> None:
    if value is not None and value != flat.get("model.group_hidden_dim"):
        reason = "the decoder is as wide as the encoder (model.group_hidden_dim)"
        translation.refuse("model.decoder_hidden_dim", value, reason)


def _take_reset_interval(translation: Translation, value: Any, _flat: dict[str, Any]) -> None:
    translation.put("training.dead_code_interval_epochs", value or NEVER)


def _take_patience(translation: Translation, value: Any, _flat: dict[str, Any]) -> None:
    if value is None:
        return
    translation.put("training.early_stopping", bool(value))
    if value:
        translation.put("training.early_stopping_patience", value)


def _take_levels(translation: Translation, value: Any, _flat: dict[str, Any]) -> None:
    """Take the sizes of levels; an empty list leaves them to the service."""
    if not value:
        return
    names = {"latent_dim": "latent_dim", "num_tokens": "codebook_size"}
    if isinstance(value, list) and all(
        isinstance(level, dict) and level.keys() <= names.keys() for level in value
    ):
        translation.put("model.levels", [{names[k]: size for k, size in level.items()} for level in value])
    else:
        translation.refuse("model.levels", value, "expected a list of {latent_dim, num_tokens}")


def _take_isolated(translation: Translation, value: Any, _flat: dict[str, Any]) -> None:
    if not value:
        return
    names = list(value) if isinstance(value, list | tuple) else [value]
    translation.put("assignment.isolated_families", [str(name) for name in names])


def _take_mapping(translation: Translation, value: Any, _flat: dict[str, Any]) -> None:
    if value is not None:
        translation.mapping_path = Path(str(value))


def _take_family_params(translation: Translation, value: Any, _flat: dict[str, Any]) -> None:
    key = "category_assignment_config.per_family_params"
    if value is None:
        return
    if not isinstance(value, dict):
        translation.refuse(key, value, "expected {family: {min_clusters, max_clusters}}")
        return
    for name, limits in value.items():
        if not isinstance(limits, dict):
            translation.refuse(f"{key}.{name}", limits, "expected {min_clusters, max_clusters}")
            continue
        for unknown in sorted(set(limits) - {"min_clusters", "max_clusters"}):
            translation.refuse(f"{key}.{name}.{unknown}", limits[unknown], UNKNOWN)
        fewest, most = limits.get("min_clusters") or 1, limits.get("max_clusters") or MAX_CLUSTERS
        if not (isinstance(fewest, int) and isinstance(most, int) and 1 <= fewest <= most):
            translation.refuse(f"{key}.{name}", limits, "min_clusters needs to be at most max_clusters")
            continue
        translation.category_ranges[name] = (fewest, most)
    if len(translation.category_ranges) == len(value) and all(
        fewest == most for fewest, most in translation.category_ranges.values()
    ):
        counts = {name: most for name, (_, most) in translation.category_ranges.items()}
        translation.put("model.categories", counts)


NEVER = 100_000  # epochs: as many as a job may have
MAX_CLUSTERS = 25  # the published default

SPECIAL: dict[str, Callable[[Translation, Any, dict[str, Any]], None]] = {
    "families": _take_families,
    "model.compression_ratios": _take_ratios,
    "training.compression_ratios": _take_ratios,
    "model.levels": _take_levels,
    "model.decoder_hidden_dim": _take_decoder_width,
    "training.early_stopping_patience": _take_patience,
    "category_assignment_config.isolated_families": _take_isolated,
    "category_assignment_config.category_mapping_file": _take_mapping,
    "training.category_mapping_file": _take_mapping,
    "category_mapping_file": _take_mapping,
    "training.dead_code_reset_interval": _take_reset_interval,
    "category_assignment_config.per_family_params": _take_family_params,
    **TAKERS,
}

KNOWN = frozenset((*RENAMED, *CHOICES, *FIXED, *SPECIAL))
SECTIONS = frozenset(key.split(".")[0] for key in (*RENAMED, *CHOICES, *SPECIAL) if "." in key) | {"logging"}


def _flatten(document: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if key not in SECTIONS:
            flat[key] = value
        elif isinstance(value, dict):
            value = dict(value)  # noqa: PLW2901 - without the section within
            for inner in SECTIONS & value.keys():
                flat |= _flatten({inner: value.pop(inner)})
            flat |= {f"{key}.{name}": setting for name, setting in value.items()}
        elif value is not None:
            raise ConfigFileError(f"{key}: expected a mapping of settings")
    return flat


def _lists_encoders(families: Any) -> bool:
    return isinstance(families, dict) and any(isinstance(family, dict) for family in families.values())
