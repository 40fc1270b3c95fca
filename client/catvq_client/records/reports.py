"""The record of a model's report; what a service adds to it is kept in `model_extra`."""

from typing import Any

from pydantic import Field

from catvq_client.records.base import Record


class Contestant(Record):
    """A grouping that took part in the comparison."""

    name: str
    test_error: float
    agreement: float
    difference: float
    standard_error: float


class Codec(Record):
    """A classical quantiser with as many bits."""

    name: str
    test_error: float


class Baselines(Record):
    """Comparison of the model's grouping with those of simpler methods."""

    status: str
    reason: str | None = None
    outcome: str | None = None
    best: str | None = None
    contestants: tuple[Contestant, ...] | None = None
    codecs: tuple[Codec, ...] | None = None


class Report(Record):
    """The report on a model and its training, with the verdict in words."""

    model: str
    verdict: str
    baselines: Baselines
    losses: dict[str, Any] = Field(default_factory=dict)
    warnings: tuple[Any, ...] = ()
