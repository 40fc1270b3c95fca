"""Checks a configuration against its dataset, all mistakes at once, before anything is stored or trained."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from catvq.config import RunConfig
from catvq.recipe import MIN_TRAINING_ROWS, count_rows
from worker.store.records import DatasetRecord

LISTED_NAMES = 5  # enough to see what went wrong, also with thousands of features


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field of the request; field is its path, such as `model.categories`."""

    field: str
    message: str


class InvalidPlanError(ValueError):
    """The configuration cannot be trained on the dataset.

    Args:
        errors: At least one.
    """

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = list(errors)


def find_errors(
    config: RunConfig, dataset: DatasetRecord, start_groups: Mapping[str, Sequence[str]] | None
) -> list[FieldError]:
    """Everything about the configuration that does not fit the dataset.

    Args:
        start_groups: With init "model", the groups of that model.
    """
    return [
        *_selection_errors(config, dataset),
        *_row_errors(config, dataset),
        *_category_errors(config, dataset),
        *_group_errors(config, dataset, start_groups),
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
            f"its keys are {_listed(keys)}" if keys else "it has none; give a column the type key at upload"
        )
        yield FieldError(f"training.{field_name}", f"{key!r} is no key of the dataset: {known}")


def _row_errors(config: RunConfig, dataset: DatasetRecord) -> Iterator[FieldError]:
    rows = count_rows(config.training, dataset.rows)
    if rows.train < MIN_TRAINING_ROWS:
        held_out = rows.validation + rows.test
        yield FieldError(
            "dataset",
            f"{dataset.rows} rows less {held_out} held out leave {rows.train} to train on, "
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
            yield FieldError("model.categories", f"there is no number for {_listed(missing)}")
        if surplus:
            yield FieldError(
                "assignment.surplus_categories", "needs one number of categories for all families"
            )
    elif wanted != "auto" and wanted + surplus > len(dataset.features):
        yield FieldError(
            "model.categories", f"{wanted + surplus} is more than the {len(dataset.features)} features"
        )
    elif wanted != "auto" and config.keeps_families and wanted < len(families):
        yield FieldError(
            "model.categories", f"{wanted} is fewer than the {len(families)} families, which need one each"
        )


def _group_errors(
    config: RunConfig, dataset: DatasetRecord, start_groups: Mapping[str, Sequence[str]] | None
) -> Iterator[FieldError]:
    if config.assignment.groups is not None:
        field, groups = "assignment.groups", config.assignment.groups
    elif start_groups is not None:
        field, groups = "assignment.model", {name: tuple(members) for name, members in start_groups.items()}
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
            yield FieldError(field, f"{complaint} {_listed(names)}")
    if config.assignment.per_family:
        yield from _family_errors(field, groups, dataset)


def _family_errors(
    field: str, groups: Mapping[str, Sequence[str]], dataset: DatasetRecord
) -> Iterator[FieldError]:
    family_of = {feature: name for name, members in dataset.families.items() for feature in members}
    for name, members in groups.items():
        families = {family_of[feature] for feature in members if feature in family_of}
        if len(families) > 1:
            yield FieldError(f"{field}.{name}", f"spans the families {_listed(sorted(families))}")


def _known(families: Mapping[str, Sequence[str]]) -> str:
    return f"the families are {_listed(list(families))}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:LISTED_NAMES])
    rest = len(names) - LISTED_NAMES
    return f"{shown} and {rest} more" if rest > 0 else shown
