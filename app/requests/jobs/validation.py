"""Checks a configuration against its dataset, all mistakes at once, before anything is stored or trained."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from catvq.config import HeldOutPart, RunConfig, matches
from catvq.recipe import MIN_TRAINING_ROWS, RowCounts, count_rows
from worker.store.records import DatasetRecord

LISTED_NAMES = 5  # enough to see what went wrong, also with thousands of features


@dataclass(frozen=True)
class FieldError:
    """What is wrong with a field, a path such as `model.categories`, or with a row, from 1, of its column."""

    field: str
    message: str
    row: int | None = None


class InvalidPlanError(ValueError):
    """The configuration cannot be trained on the dataset.

    Args:
        errors: At least one.
    """

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = list(errors)


def find_errors(
    config: RunConfig,
    whole: DatasetRecord,
    start_groups: Mapping[str, Sequence[str]] | None,
    held_out: Mapping[HeldOutPart, DatasetRecord],
) -> list[FieldError]:
    """Everything about the configuration that does not fit the dataset.

    Args:
        config: Of the job.
        whole: The dataset, also with the features that are not learnt from.
        start_groups: With init "model", the groups of that model.
        held_out: The datasets that validate or test.
    """
    dataset = select(config, whole)
    return [
        *_selection_errors(config, dataset),
        *_feature_weight_errors(config, dataset),
        *_weight_errors(config, [whole, *held_out.values()]),
        *_split_errors(dataset, held_out),
        *_series_errors(config, dataset),
        *_row_errors(config, count_rows(config.training, dataset.rows, rows_of(held_out)), dataset.rows),
        *_isolation_errors(config, dataset),
        *_category_errors(config, dataset),
        *_group_errors(config, dataset, start_groups),
        *_together_errors(config, dataset, start_groups),
    ]


def select(config: RunConfig, dataset: DatasetRecord) -> DatasetRecord:
    """Return a dataset with the features that are learnt from."""
    features = [name for name in dataset.features if config.features.is_wanted(name)]
    families = {
        family: [n for n in names if n in set(features)] for family, names in dataset.families.items()
    }
    return replace(
        dataset, features=features, families={family: names for family, names in families.items() if names}
    )


def _selection_errors(config: RunConfig, dataset: DatasetRecord) -> Iterator[FieldError]:
    if not dataset.features:
        yield FieldError("features", "no feature of the dataset is left to learn from")
    key, keys = config.training.split_key, [c["name"] for c in dataset.columns if c["type"] == "key"]
    if key is not None and key not in keys:
        field_name = "split_by" if config.training.split_by is not None else "split_by_order_of"
        known = (
            f"its keys are {listed(keys)}" if keys else "it has none; give a column the type key at upload"
        )
        yield FieldError(f"training.{field_name}", f"{key!r} is no key of the dataset: {known}")


def _feature_weight_errors(config: RunConfig, dataset: DatasetRecord) -> Iterator[FieldError]:
    unknown = [
        each for each in config.cleaning.weights if not any(matches(n, [each]) for n in dataset.features)
    ]
    if unknown:
        yield FieldError("cleaning.weights", f"no feature that is learnt from fits {listed(unknown)}")


def _weight_errors(config: RunConfig, datasets: Sequence[DatasetRecord]) -> Iterator[FieldError]:
    name, field = config.training.sample_weight, "training.sample_weight"
    if name is None:
        return
    if name in datasets[0].features and config.features.is_wanted(name):
        yield FieldError(field, f"{name!r} is learnt from; exclude it in features.exclude")
    for dataset in {dataset.id: dataset for dataset in datasets}.values():
        types = {each: kind for each, (kind, _) in _kinds(dataset).items()}
        types |= {column["name"]: column["type"] for column in dataset.columns}
        kind = types.get(name)
        if kind not in {"key", "numeric"}:
            what = "no column" if kind is None else f"{kind}, neither a key nor numeric,"
            yield FieldError(field, f"{name!r} is {what} of the dataset {dataset.id}")


def rows_of(held_out: Mapping[HeldOutPart, DatasetRecord]) -> dict[HeldOutPart, int]:
    """How many rows validate and test that are of other datasets."""
    return {part: other.rows for part, other in held_out.items()}


def _split_errors(
    dataset: DatasetRecord, held_out: Mapping[HeldOutPart, DatasetRecord]
) -> Iterator[FieldError]:
    own, seen = _kinds(dataset), {dataset.id}
    for part, other in held_out.items():
        field, theirs = f"training.split.{part}", _kinds(other)
        if other.id in seen:
            yield FieldError(field, f"{other.id!r} is used already: rows that train or validate cannot test")
            continue
        seen.add(other.id)
        missing = [name for name in dataset.features if name not in theirs]
        if missing:
            yield FieldError(field, f"the dataset has no feature {listed(missing)}")
        for name in dataset.features:
            fault = _mismatch(own[name], theirs.get(name, own[name]))
            if fault is not None:
                yield FieldError(field, f"feature {name!r} {fault}")


def _kinds(dataset: DatasetRecord) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The type of each feature, and the values of a categorical one."""
    kinds: dict[str, tuple[str, tuple[str, ...]]] = dict.fromkeys(dataset.features, ("numeric", ()))
    known = {
        column["name"]: (column["type"], tuple(column.get("values") or ())) for column in dataset.columns
    }
    for column in dataset.columns:
        if column["type"] == "datetime" and "-" not in column["origin"]:
            known[column["name"]] = "a time of day", ()
    known |= {name: (kind, ()) for name, kind in kinds_of_channels(dataset.kinds).items()}
    return {name: known.get(name, kind) for name, kind in kinds.items()}


def kinds_of_channels(families: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What each channel is, in words: a series, or a grid of its shape.

    Args:
        families: Series and grids, as a dataset or a model describes them.
    """
    kinds: dict[str, str] = {}
    for family in families:
        shape = "" if family["shape"] is None else f" of {family['shape'][0]} x {family['shape'][1]}"
        kinds |= {f"{family['family']}/{name}": f"a {family['kind']}{shape}" for name in family["channels"]}
    return kinds


def _mismatch(own: tuple[str, tuple[str, ...]], theirs: tuple[str, tuple[str, ...]]) -> str | None:
    """Why a feature of another dataset cannot be compared; None where it can."""
    if own[0] != theirs[0]:
        return f"is {own[0]} in the job's dataset and {theirs[0]} in this one"
    unknown = [value for value in theirs[1] if value not in set(own[1])]
    return f"has values here that the job's dataset has not: {listed(unknown)}" if unknown else None


def _series_errors(config: RunConfig, dataset: DatasetRecord) -> Iterator[FieldError]:
    series = {kind["family"] for kind in dataset.kinds if kind["kind"] == "series"}
    if config.model.series.crop and series.isdisjoint(dataset.families):
        yield FieldError("model.series.crop", "needs a family of series that is learnt from")


def _row_errors(config: RunConfig, rows: RowCounts, total: int) -> Iterator[FieldError]:
    if rows.train < MIN_TRAINING_ROWS:
        yield FieldError(
            "dataset",
            f"{total} rows less {total - rows.train} held out leave {rows.train} to train on, "
            f"fewer than {MIN_TRAINING_ROWS}",
        )
    elif config.training.batch_size != "auto" and config.training.batch_size > rows.train:
        yield FieldError(
            "training.batch_size", f"{config.training.batch_size} is more than the {rows.train} training rows"
        )
    if config.training.early_stopping is True and not rows.validation:
        yield FieldError("training.early_stopping", "there are no validation rows to tell when to stop")


def _category_errors(config: RunConfig, dataset: DatasetRecord) -> Iterator[FieldError]:
    wanted, families = config.model.categories, dataset.families
    surplus = config.assignment.surplus_categories
    tied = sum(max(0, len(members) - 1) for members in config.assignment.sets_of(dataset.features))
    if isinstance(wanted, Mapping):
        for name, count in wanted.items():
            if name not in families:
                yield FieldError(f"model.categories.{name}", f"there is no such family; {_known(families)}")
            elif count > len(families[name]):
                yield FieldError(
                    f"model.categories.{name}",
                    f"{count} is more than the family's {len(families[name])} features",
                )
        missing = [name for name in families if name not in wanted]
        if missing:
            yield FieldError("model.categories", f"there is no number for {listed(missing)}")
        if surplus:
            yield FieldError(
                "assignment.surplus_categories", "needs one number of categories for all families"
            )
    elif wanted != "auto" and wanted + surplus > len(dataset.features) - tied:
        and_sets = " that move on their own" if tied else ""
        yield FieldError(
            "model.categories",
            f"{wanted + surplus} is more than the {len(dataset.features) - tied} features{and_sets}",
        )
    elif wanted != "auto" and wanted < (needed := _fewest_categories(config, families)):
        detail = f"{wanted} is fewer than the {needed} that families kept apart need"
        yield FieldError("model.categories", detail)


def _fewest_categories(config: RunConfig, families: Mapping[str, Sequence[str]]) -> int:
    """How many categories it takes so that families that are kept apart have one each."""
    isolated = families if config.keeps_families else config.assignment.isolated_families
    return len(set(isolated)) + any(name not in isolated for name in families)


def _isolation_errors(config: RunConfig, dataset: DatasetRecord) -> Iterator[FieldError]:
    unknown = [name for name in config.assignment.isolated_families if name not in dataset.families]
    if unknown:
        yield FieldError(
            "assignment.isolated_families",
            f"there is no family {listed(unknown)}; {_known(dataset.families)}",
        )


def _group_errors(
    config: RunConfig, dataset: DatasetRecord, start_groups: Mapping[str, Sequence[str]] | None
) -> Iterator[FieldError]:
    if config.assignment.groups is not None:
        field, groups = "assignment.groups", config.assignment.groups
    elif start_groups is not None:
        field, groups = "assignment.model", {name: list(members) for name, members in start_groups.items()}
    else:
        return
    wanted = config.model.categories
    if isinstance(wanted, Mapping):
        yield FieldError("model.categories", "must be a number or 'auto' when the groups are given")
    elif wanted != "auto" and wanted < len(groups):
        yield FieldError("model.categories", f"{wanted} is fewer than the {len(groups)} groups given")
    named = Counter(name for members in groups.values() for name in members)
    complaints = {
        "there are no features": [name for name in named if name not in set(dataset.features)],
        "named more than once:": [name for name, count in named.items() if count > 1],
        "in no group:": [name for name in dataset.features if name not in named],
    }
    for complaint, names in complaints.items():
        if names:
            yield FieldError(field, f"{complaint} {listed(names)}")
    if not isinstance(wanted, Mapping):
        yield from _family_errors(field, groups, config, dataset)


def _together_errors(
    config: RunConfig, dataset: DatasetRecord, start_groups: Mapping[str, Sequence[str]] | None
) -> Iterator[FieldError]:
    field, seen = "assignment.together", set[str]()
    groups = config.assignment.groups or start_groups or {}
    group_of = {name: group for group, names in groups.items() for name in names}
    family_of = {name: family for family, names in dataset.families.items() for name in names}
    sets = config.assignment.sets_of(dataset.features)
    for number, (patterns, members) in enumerate(zip(config.assignment.together, sets, strict=True)):
        own = f"{field}.{number}"
        for pattern in patterns:
            if not any(matches(name, (pattern,)) for name in dataset.features):
                yield FieldError(own, f"{pattern!r} matches no feature that is learnt from")
        twice = [name for name in members if name in seen]
        if twice:
            yield FieldError(own, f"in two sets: {listed(twice)}")
        seen.update(members)
        families = sorted({family_of[name] for name in members})
        if config.are_apart(families):
            yield FieldError(own, f"spans the families {listed(families)}, which are kept apart")
        spread = sorted({group_of[name] for name in members if name in group_of})
        if len(spread) > 1:
            yield FieldError(own, f"is spread over the groups {listed(spread)}")


def _family_errors(
    field: str, groups: Mapping[str, Sequence[str]], config: RunConfig, dataset: DatasetRecord
) -> Iterator[FieldError]:
    family_of = {feature: name for name, members in dataset.families.items() for feature in members}
    for name, members in groups.items():
        families = {family_of[feature] for feature in members if feature in family_of}
        if config.are_apart(families):
            yield FieldError(f"{field}.{name}", f"spans the families {listed(sorted(families))}")


def _known(families: Mapping[str, Sequence[str]]) -> str:
    return f"the families are {listed(list(families))}"


def listed(names: Sequence[str]) -> str:
    """Name the first few, and how many there are more."""
    shown = ", ".join(repr(name) for name in names[:LISTED_NAMES])
    rest = len(names) - LISTED_NAMES
    return f"{shown} and {rest} more" if rest > 0 else shown
