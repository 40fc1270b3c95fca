"""What a comparison found, as the report tells it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Outcome = Literal["better", "as_good", "worse", "none"]


@dataclass(frozen=True, kw_only=True)
class ContestantResult:
    """A grouping that took part.

    Attributes:
        test_error: Mean error over test rows and trainings.
        test_errors: The same of each training.
        agreement: Adjusted Rand index with the model's grouping.
        difference: `test_error` minus the model's.
        standard_error: Of the difference.
    """

    name: str
    test_error: float
    test_errors: Sequence[float]
    agreement: float
    difference: float
    standard_error: float


@dataclass(frozen=True)
class CodecResult:
    """A classical quantiser with as many bits."""

    name: str
    test_error: float


@dataclass(frozen=True)
class ComparedRows:
    """How many rows trained and tested."""

    train: int
    test: int


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The model's grouping against the others, with the terms that all had.

    Attributes:
        outcome: Against `best`; "none" without a comparison.
        best: The best of the other groupings with as many categories; None without a comparison.
        codebook_size: Of every codebook.
        epochs: Of each training.
        has_structure: Whether any dependence between features was found.
        model_test_error: Of the model as frozen, on all its test rows; None without test rows.
        training_seconds: The model's start and training; None if nothing was trained.
        static_seconds: A static training of its size, estimated; None if nothing was trained.
        verdict: The same in words.
    """

    outcome: Outcome
    best: str | None
    contestants: Sequence[ContestantResult]
    codecs: Sequence[CodecResult]
    rows: ComparedRows
    categories: int
    levels: int
    codebook_size: int
    bits_per_row: float
    epochs: int
    seeds: Sequence[int]
    has_structure: bool
    model_test_error: float | None
    training_seconds: float | None
    static_seconds: float | None
    verdict: str


@dataclass(frozen=True)
class Stability:
    """How far a grouping depends on its rows: it is found anew from halves of them.

    Attributes:
        agreement: Mean adjusted Rand index with the model's grouping.
        agreements: The index of each half.
        rows: Of a half.
    """

    agreement: float
    agreements: Sequence[float]
    rows: int


@dataclass(frozen=True, kw_only=True)
class Probe:
    """How well codes tell a key that nothing was trained on: accuracies on test rows.

    Attributes:
        linear: Of a linear probe of one-hot codes.
        decoded: Of a linear probe of decoded rows.
        trees: Of trees of one-hot codes.
        commonest: Of always the value that is the commonest in training rows.
    """

    key: str
    linear: float
    decoded: float
    trees: float
    commonest: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All that a comparison measured.

    Attributes:
        stability: None where the grouping is not found by a start alone.
        probes: One for each key that could be probed.
    """

    verdict: Verdict
    stability: Stability | None
    probes: Sequence[Probe]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """In JSON's types; the verdict's fields stand beside the others."""
        whole = asdict(self)
        verdict: dict[str, Any] = whole.pop("verdict")
        return verdict | whole
