"""The body of a model's report."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.schemas.common import Body
from app.schemas.models import MODEL_ID
from worker.store import ComparisonRecord

Status = Literal["pending", "running", "done", "off", "failed"]

SETTLED: frozenset[Status] = frozenset({"done", "off", "failed"})  # the report does not change any more
VERDICTS: dict[Status, str] = {
    "off": "Not compared with simpler methods: its job did not ask for it.",
    "pending": "Not yet compared with simpler methods: that is done while no job waits.",
    "running": "Not yet compared with simpler methods: that is being done.",
    "failed": "Not compared with simpler methods: {reason}.",
}


class Contestant(Body):
    """A grouping that was compared."""

    name: Literal[
        "model",
        "clustering",
        "feature_agglomeration",
        "spectral_coclustering",
        "spectral_correlation",
        "spectral_information",
        "random",
    ] = Field(description="`model` is the model's own grouping, `clustering` the start of a static job.")
    test_error: float = Field(description="Mean square of normalised features after quantisation.")
    test_errors: list[float] = Field(description="Of each training.")
    agreement: float = Field(description="Adjusted Rand index with the model's grouping.")
    difference: float = Field(description="From the model's `test_error`; above 0 the model's is lower.")
    standard_error: float = Field(description="Of the difference, over test rows and trainings.")


class Codec(Body):
    """A quantiser that needs no training, with as many bits as the contestants."""

    name: Literal["residual_k_means", "ungrouped_residual_k_means", "principal_components"] = Field(
        description="Residual k-means in the model's categories, or of whole rows, each with one ridge "
        "regression of all features; principal components with scalar codes."
    )
    test_error: float = Field(description="Mean square of normalised features after quantisation.")


class BaselineRows(Body):
    """How many rows the comparison took."""

    train: int
    test: int


class Baselines(Body):
    """The model's grouping against those of methods that need no learning."""

    status: Status
    reason: str | None = Field(None, description="Why it failed.")
    outcome: Literal["better", "as_good", "worse", "none"] | None = Field(
        None, description="Of the model, against `best`; 'none' where there was nothing to judge by."
    )
    best: str | None = Field(None, description="The other contestant with the lowest error.")
    contestants: list[Contestant] | None = None
    codecs: list[Codec] | None = None
    rows: BaselineRows | None = None
    categories: int | None = Field(None, description="Of every contestant.")
    levels: int | None = None
    codebook_size: int | None = Field(None, description="Of every codebook of every contestant.")
    bits_per_row: float | None = None
    epochs: int | None = None
    seeds: list[int] | None = Field(None, description="Every grouping is trained from each of them.")
    has_structure: bool | None = Field(None, description="Whether any dependence was found.")
    model_test_error: float | None = Field(None, description="Of the model itself.")
    training_seconds: float | None = Field(None, description="That the model's start and training took.")
    static_seconds: float | None = Field(
        None, description="That a static training of that size takes, reckoned from those of the comparison."
    )
    seconds: float | None = Field(None, description="Of the comparison.")


class Report(Body):
    """Everything that was measured.

    Beside these fields: losses, the soft-to-hard gap, codebooks, what was done to each feature, what
    collapsed (`collapse`, from its first to its last epoch), which features are in doubt (`doubtful`, with
    the `runner_up` and what a swap would cost in units of the feature's variance, `swap_cost`), features
    that changed their category after the start (`moved`; epoch 0 is the search for the assignment), surplus
    categories that became part of others (`joined`), empty ones that were left out (`pruned`), how well rows
    of codes tell the training rows apart (`tokens`: shares that are `distinct`, the `commonest`, and `shared`
    with another row), and so on.
    """

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "model": MODEL_ID,
                "verdict": "As good: FeatureAgglomeration, which needs no learning, does as well as ...",
                "baselines": {
                    "status": "done",
                    "outcome": "as_good",
                    "best": "feature_agglomeration",
                    "contestants": [
                        {
                            "name": "feature_agglomeration",
                            "test_error": 0.312,
                            "test_errors": [0.314, 0.309, 0.313],
                            "agreement": 0.87,
                            "difference": 0.001,
                            "standard_error": 0.004,
                        }
                    ],
                    "rows": {"train": 2800, "test": 350},
                    "bits_per_row": 90.0,
                },
                "losses": {"total": 0.41, "validation": 0.3},
                "warnings": [],
            }
        },
    )

    model: str
    verdict: str = Field(description="In words: whether the model's categories beat simpler ones.")
    baselines: Baselines


def status_of(comparison: ComparisonRecord | None) -> Status:
    """Return how a model's comparison stands."""
    if comparison is None:
        return "off"
    if comparison.document is not None:
        return "done"
    if comparison.error is not None:
        return "failed"
    return "running" if comparison.is_running else "pending"


def to_report(model_id: str, report: dict[str, Any], comparison: ComparisonRecord | None) -> dict[str, Any]:
    """Return what the API shows of a report and of the comparison that follows it."""
    status = status_of(comparison)
    measured = dict(comparison.document or {}) if comparison else {}
    reason = comparison.error if comparison else None
    verdict = measured.pop("verdict", None) or VERDICTS[status].format(reason=reason)
    baselines = {"status": status} | ({"reason": reason} if reason else {}) | measured
    return {"model": model_id, "verdict": verdict, "baselines": baselines, **report}
