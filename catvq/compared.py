"""What a comparison of a model with simpler ones finds; the API describes reports by these classes.

Loads no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

Outcome = Literal["better", "as_good", "worse", "none"]
CodecName = Literal["residual_k_means", "ungrouped_residual_k_means", "principal_components"]
ContestantName = Literal[
    "model",
    "clustering",
    "feature_agglomeration",
    "spectral_coclustering",
    "spectral_correlation",
    "spectral_information",
    "random",
    "no_groups",
]


class Finding:
    """Base of what pydantic describes, each field by the text below it."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }


@dataclass(frozen=True, kw_only=True)
class ContestantResult(Finding):
    """A grouping that took part in the comparison."""

    name: ContestantName
    """`model` is the model's grouping, `clustering` the initial grouping of a static job, `no_groups` one
    category of all features with as many codes as all categories have together."""

    test_error: float
    """Mean squared error of normalised features after quantisation."""

    test_errors: Sequence[float]
    """`test_error` of each training."""

    agreement: float
    """Adjusted Rand index with the model's grouping."""

    difference: float
    """`test_error` minus the model's; above 0 the model is better."""

    standard_error: float
    """Standard error of the difference, over test rows and trainings."""


@dataclass(frozen=True)
class CodecResult(Finding):
    """A classical quantiser with as many bits as the contestants."""

    name: CodecName
    """Residual k-means in the model's categories or on whole rows, each followed by one ridge regression of
    all features; or principal components with scalar codes."""

    test_error: float
    """Mean squared error of normalised features after quantisation."""


@dataclass(frozen=True)
class ComparedRows(Finding):
    """Number of rows used by the comparison."""

    train: int
    test: int


@dataclass(frozen=True)
class Stability(Finding):
    """How far the categories depend on the rows: their start, found anew from random halves of these."""

    agreement: float
    """Mean adjusted Rand index with the model's grouping."""

    agreements: Sequence[float]
    """The index for each half."""

    rows: int
    """Number of rows of a half."""


@dataclass(frozen=True, kw_only=True)
class Probe(Finding):
    """How well the codes of test rows tell a key of the dataset, which nothing was trained on."""

    key: str

    linear: float
    """Accuracy of a logistic regression of one-hot codes."""

    decoded: float
    """The same of decoded rows, off which few rows read more."""

    trees: float
    """The same of extremely randomised trees of one-hot codes."""

    commonest: float
    """The same of always guessing the commonest value."""


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
