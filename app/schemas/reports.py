"""The body of a model's report."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.schemas.common import Body
from app.schemas.models import MODEL_ID
from catvq.compared import CodecResult, ComparedRows, ContestantResult, Outcome, Probe, Stability
from worker.store import ComparisonRecord

Status = Literal["pending", "running", "done", "off", "failed"]

FINAL: frozenset[Status] = frozenset({"done", "off", "failed"})  # the report does not change any more
VERDICTS: dict[Status, str] = {
    "off": "Not compared with simpler methods: the job did not request it.",
    "pending": "Not yet compared with simpler methods: this waits until no job is queued.",
    "running": "Not yet compared with simpler methods: the comparison is running.",
    "failed": "Not compared with simpler methods: {reason}.",
}


class Baselines(Body):
    """Comparison of the model's grouping with those of simpler methods."""

    status: Status
    reason: str | None = Field(None, description="Why the comparison failed.")
    outcome: Outcome | None = Field(
        None, description="The model against `best`; `none` if no comparison was possible."
    )
    best: str | None = Field(
        None, description="The other contestant with as many categories that has the lowest error."
    )
    contestants: list[ContestantResult] | None = None
    codecs: list[CodecResult] | None = None
    rows: ComparedRows | None = None
    categories: int | None = Field(None, description="Number of categories of every contestant.")
    levels: int | None = None
    codebook_size: int | None = Field(None, description="Size of every codebook of every contestant.")
    bits_per_row: float | None = None
    epochs: int | None = None
    seeds: list[int] | None = Field(None, description="Every grouping is trained once with each seed.")
    has_structure: bool | None = Field(None, description="Whether any dependence between features was found.")
    model_test_error: float | None = Field(None, description="`test_error` of the model as it was frozen.")
    training_seconds: float | None = Field(
        None, description="Duration of the model's initialisation and training."
    )
    static_seconds: float | None = Field(
        None,
        description="Duration of a static training of that size, estimated from those of the comparison.",
    )
    seconds: float | None = Field(None, description="Duration of the comparison.")


class Reconstruction(Body):
    """Mean squared error of normalised features after quantisation."""

    model: float | None = Field(description="The model as it was frozen.")
    classical: float | None = Field(
        description="Residual k-means in its categories with one ridge regression: where its codes started."
    )
    ungrouped: float | None = Field(
        description="The same bits without categories: residual k-means of whole rows."
    )


class Report(Body):
    """The report on a model and its training.

    Further fields: losses, the soft-to-hard gap, codebooks, cleaning of each feature, collapses
    (`collapse`, with their first and last epoch), features with an uncertain category (`doubtful`, with the
    `runner_up` and the cost of a swap in units of the feature's variance, `swap_cost`), features that
    changed their category after initialisation (`moved_features`; epoch 0 is the search for the
    assignment), where they started (`start.grouping`), the share of codes of held-out rows that are those
    of the model that the run went on from (`start.kept_codes`), surplus categories that were merged into
    others (`joined`), empty ones that were removed (`pruned`), uniqueness of the training rows' codes
    (`tokens`: shares of rows that are `distinct`, the `commonest`, and `shared` with another row), bits and
    error of shorter codes (`by_levels`: those of the first level of each category, of the first two, ...),
    how many rows the codes were verified on (`freeze_check.rows`, out of `of`) and how many of each part
    errors and codes were measured on (`measured_rows`: of more than a million rows a sample), and others.
    """

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "model": MODEL_ID,
                "verdict": "As good: FeatureAgglomeration, a usual method, does as well as ...",
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
                "stability": {"agreement": 0.93, "agreements": [1.0, 0.87, 0.92], "rows": 1400},
                "reconstruction": {"model": 0.29, "classical": 0.33, "ungrouped": 0.36},
                "probes": [
                    {"key": "species", "linear": 0.94, "decoded": 0.97, "trees": 0.95, "commonest": 0.4}
                ],
                "losses": {"total": 0.41, "validation": 0.3},
                "warnings": [],
            }
        },
    )

    model: str
    stability: Stability | None = Field(
        None, description="Null until the comparison is done, and where a start was given or searched for."
    )
    reconstruction: Reconstruction = Field(description="Measured by the comparison, on test rows.")
    probes: list[Probe] | None = Field(
        description="One for each key of 2 to 20 values; null until the comparison is done."
    )
    verdict: str = Field(
        description="One sentence: whether the model's categories are better than simpler ones."
    )
    baselines: Baselines


def status_of(comparison: ComparisonRecord | None) -> Status:
    """Return the status of a model's comparison."""
    if comparison is None:
        return "off"
    if comparison.document is not None:
        return "done"
    if comparison.error is not None:
        return "failed"
    return "running" if comparison.is_running else "pending"


def to_report(model_id: str, report: dict[str, Any], comparison: ComparisonRecord | None) -> dict[str, Any]:
    """Return the body of a report, merged with the comparison."""
    status = status_of(comparison)
    measured = dict(comparison.document or {}) if comparison else {}
    reason = comparison.error if comparison else None
    verdict = measured.pop("verdict", None) or VERDICTS[status].format(reason=reason)
    stability, probes = measured.pop("stability", None), measured.pop("probes", None)
    codecs = {codec["name"]: codec["test_error"] for codec in measured.get("codecs", ())}
    baselines = {"status": status} | ({"reason": reason} if reason else {}) | measured
    return {
        "model": model_id,
        "verdict": verdict,
        "stability": stability,
        "reconstruction": {
            "model": report["reconstruction_error"]["test"],
            "classical": codecs.get("residual_k_means"),
            "ungrouped": codecs.get("ungrouped_residual_k_means"),
        },
        "probes": probes,
        "baselines": baselines,
        **report,
    }
