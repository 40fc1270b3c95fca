import pytest
from catvq_client.job_files.published_layout import translate

from worker.contract.job_config import JobRequest


@pytest.mark.parametrize("method_key", ["outlier_method", "outlier_strategy"])
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            {"": "percentile", "percentile_range": [1, 99]},
            {"outliers": "percentile", "outlier_percentiles": [1, 99]},
        ),
        ({"": "iqr", "iqr_multiplier": 3}, {"outliers": "iqr", "outlier_threshold": 3}),
        ({"iqr_threshold": 3, "": "iqr"}, {"outliers": "iqr", "outlier_threshold": 3}),
        ({"": "iqr"}, {"outliers": "iqr", "outlier_threshold": 1.5}),
        ({"": "mad", "mad_threshold": 4}, {"outliers": "mad", "outlier_threshold": 4}),
        ({"outlier_threshold": 4}, {"outlier_threshold": 4}),
        ({"": "none"}, {"outliers": "none"}),
        ({"": None, "percentile_range": None}, {}),
    ],
)
def test_outliers_are_found_by_the_method_and_threshold_of_the_file(method_key, said, expected):
    run = translate({"feature_cleaning": {name or method_key: value for name, value in said.items()}})
    assert run.job.get("cleaning", {}) == expected
    assert run.ignored_keys == ()
    JobRequest.model_validate({**run.job, "dataset": "ds_1"})


def test_thresholds_of_other_methods_have_no_effect():
    said = {"outlier_method": "percentile", "outlier_threshold": 3, "iqr_multiplier": 2, "mad_threshold": 4}
    run = translate({"feature_cleaning": said})
    assert run.job["cleaning"] == {"outliers": "percentile"}
    assert {item.key.partition(".")[2] for item in run.ignored_keys} == said.keys() - {"outlier_method"}
    (item,) = translate({"feature_cleaning": {"outlier_method": "zscore"}}).ignored_keys
    assert item.reason == "supported values: mad, iqr, percentile, none"
