"""Checks whether a job can go on from the weights of a model: features, sizes, and what the model settles."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.requests.jobs.validation import FieldError, kinds_of_channels, listed
from catvq.config import CleaningSettings, RunConfig
from worker.store.records import DatasetRecord

SIZES = ("levels", "codebook_size", "latent_dim", "embedding_dim", "hidden_dim")


def find_misfits(config: RunConfig, dataset: DatasetRecord, model: Mapping[str, Any]) -> list[FieldError]:
    """Everything that keeps a job from going on from a model.

    Args:
        config: Of the job.
        dataset: With the features that are learnt from.
        model: The model's document.
    """
    return [*_feature_misfits(dataset, model), *_size_misfits(config, model), *_settled(config)]


def _feature_misfits(dataset: DatasetRecord, model: Mapping[str, Any]) -> Iterator[FieldError]:
    extra = [name for name in dataset.features if name not in set(model["features"])]
    if extra:
        yield FieldError(
            "assignment.model", f"the model does not know the features {listed(extra)}: exclude them"
        )
    own = {column["name"]: column for column in dataset.columns}
    channels, known = kinds_of_channels(dataset.kinds), kinds_of_channels(model["kinds"])
    for name, values, origin in zip(model["features"], model["values"], model["origins"], strict=True):
        column = own.get(name, {"type": "numeric", "values": None})
        kind = "categorical" if values is not None else "datetime" if origin is not None else "numeric"
        kind, found = known.get(name, kind), channels.get(name, column["type"])
        if name not in dataset.features:
            yield FieldError("assignment.model", f"the dataset has no feature {name!r}, which the model has")
        elif found != kind:
            yield FieldError("assignment.model", f"feature {name!r} is {kind} in the model, {found} here")
        elif values is not None and (unknown := [v for v in column["values"] if v not in set(values)]):
            yield FieldError(
                "assignment.model", f"the model does not know {listed(unknown)} of feature {name!r}"
            )


def _size_misfits(config: RunConfig, model: Mapping[str, Any]) -> Iterator[FieldError]:
    categories = len(model["categories"])
    if config.model.categories not in ("auto", categories):
        yield FieldError("model.categories", f"the model has {categories}; leave it at 'auto'")
    wanted: dict[str, Any] = {name: getattr(config.model, name) for name in SIZES}
    if not isinstance(wanted["levels"], int):
        yield FieldError("model.levels", f"must be {model['levels']}, the number of levels of the model")
    for name in SIZES:
        found = model[name]
        sizes = {size for each in found for size in each} if isinstance(found, list) else {found}
        if wanted[name] != "auto" and isinstance(wanted[name], int) and sizes != {wanted[name]}:
            yield FieldError(f"model.{name}", f"{wanted[name]} is not that of the model: {sorted(sizes)}")


def _settled(config: RunConfig) -> Iterator[FieldError]:
    if config.cleaning != CleaningSettings():
        yield FieldError("cleaning", "the model's own cleaning is taken with its weights; leave it out")
    if config.assignment.freeze_after_epochs not in ("auto", 0):
        yield FieldError("assignment.freeze_after_epochs", "the grouping is that of the model from the start")
    if config.assignment.together:
        yield FieldError("assignment.together", "the grouping is that of the model from the start")
