import dataclasses

import numpy as np
import pytest

from catvq.compared import CodecResult, ComparedRows
from catvq.comparison.verdict import LEARNT, Contestant, Terms, Times, judge

GROUPING = np.array([0, 0, 1, 1])
TERMS = Terms(
    train_rows=80,
    test_rows=4,
    features=4,
    categories=2,
    levels=3,
    codebook_size=16,
    epochs=5,
    seeds=(7, 8),
    has_choice=True,
    has_structure=True,
    model_test_error=0.5,
    moved=0,
)
WHOLE = "with all features in one category and as many codes, the test error is"
TIMES = Times(training=30.0, static=19.96)
# Two trainings of four rows: 2 and 4 on average, 3 over all.
LEARNT_ERRORS = np.array([[1.0, 2, 2, 3], [3, 4, 4, 5]])


def contest(**others):
    found = {LEARNT: LEARNT_ERRORS} | others
    return [
        Contestant(name=name, grouping=GROUPING, row_errors=np.asarray(errors, float))
        for name, errors in found.items()
    ]


def test_the_standard_error_of_a_difference_is_that_over_rows_and_over_trainings():
    # Over both trainings the rows differ by 1, 2, 2 and 3: variance 2/3. The trainings' errors, 2 and 4
    # against 3 and 7, are each 0.5 away from what their grouping and their seed explain: variance 4 * 0.25.
    result = judge(contest(clustering=[[1, 3, 3, 5], [5, 7, 7, 9]]), TERMS, TIMES, {})
    own, found = result.contestants
    assert (own.test_error, own.difference, own.standard_error) == (3, 0, 0)
    assert (found.test_error, found.test_errors, found.difference) == (5, [3, 7], 2)
    assert found.standard_error == pytest.approx(np.sqrt(2 / 3 / 4 + 2 * 1 / 2))
    assert result.outcome == "as_good"  # 1.85 standard errors


def shifted(by):
    """Errors that differ by so much: in all trainings alike, on the rows with a standard error of 0.0577."""
    return LEARNT_ERRORS + by + np.array([-0.1, 0.1, -0.1, 0.1])


@pytest.mark.parametrize(
    ("by", "outcome", "start"),
    [
        (0.12, "better", "Better: with the model's categories the test error is 3.8% below"),
        (0.11, "as_good", "As good: FeatureAgglomeration, a usual method, does as well"),
        (-0.11, "as_good", "As good: FeatureAgglomeration, a usual method, does as well"),
        (-0.12, "worse", "Worse: with the model's categories the test error is 4.2% above"),
    ],
)
def test_a_difference_counts_from_two_standard_errors_on(by, outcome, start):
    result = judge(contest(clustering=shifted(9), feature_agglomeration=shifted(by)), TERMS, TIMES, {})
    assert (result.outcome, result.best) == (outcome, "feature_agglomeration")
    assert result.verdict.startswith(start)
    deviations = f"{abs(by) / 0.05774:.1f} standard errors"
    assert f"(3.0000 against {3 + by:.4f}, a difference of {deviations}" in result.verdict


def test_the_verdict_says_what_it_rests_on_and_what_it_does_not_cover():
    result = judge(contest(clustering=shifted(1)), TERMS, TIMES, {})
    assert "trained 2 models in static mode, for 5 epochs on the same 80 rows" in result.verdict
    assert "with 2 categories and 24 bits per row" in result.verdict
    assert (
        "on 4 test rows that were used for no decision. The model itself has test error 0.5000."
        in result.verdict
    )
    assert "but not that of the split." in result.verdict
    assert "noise" not in result.verdict
    assert (result.rows, result.bits_per_row) == (ComparedRows(80, 4), 24)


def test_the_verdict_says_what_found_the_categories():
    def verdict(moved):
        terms = dataclasses.replace(TERMS, moved=moved)
        return judge(contest(clustering=shifted(1)), terms, TIMES, {}).verdict

    assert "Training moved no feature: the start found these categories." in verdict(0)
    assert "3 of 4 features ended in another category than they started in" in verdict(3)


def test_the_verdict_says_what_learning_cost():
    result = judge(contest(clustering=shifted(1)), TERMS, TIMES, {})
    assert result.verdict.endswith(
        "Learning it took 30 s, 1.5 times as long as one static training of that size takes (20 s, "
        "estimated from the runs above)."
    )
    assert (result.training_seconds, result.static_seconds) == (30, 20.0)


def test_a_method_that_finds_the_same_categories_is_as_good():
    result = judge(contest(clustering=LEARNT_ERRORS, feature_agglomeration=shifted(1)), TERMS, TIMES, {})
    assert (result.outcome, result.best) == ("as_good", "clustering")
    assert "Ward clustering of correlation, a usual method, finds the same" in result.verdict


def test_noise_is_called_noise():
    terms = dataclasses.replace(TERMS, has_structure=False)
    assert "the table looks like noise" in judge(contest(clustering=shifted(1)), terms, TIMES, {}).verdict


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"test_rows": 1}, "No verdict: 1 test rows are too few"),
        ({"has_choice": False}, "No verdict: there is only one way to group 4 features into 2 categories."),
    ],
)
def test_without_a_judgement_there_is_no_verdict(change, text):
    terms = dataclasses.replace(TERMS, **change)
    assert not terms.can_judge
    result = judge([], terms, None, {})
    assert (result.outcome, result.best, result.contestants) == ("none", None, [])
    assert result.verdict.startswith(text)
    assert (result.training_seconds, result.static_seconds) == (None, None)


def test_quantisers_that_need_no_training_are_named_with_their_errors():
    codecs = {"residual_k_means": 0.25, "ungrouped_residual_k_means": 0.5, "principal_components": 0.125}

    result = judge(contest(clustering=shifted(1)), TERMS, TIMES, codecs)

    assert result.codecs[0] == CodecResult("residual_k_means", 0.25)
    assert "in the model's categories has test error 0.2500, without categories 0.5000" in result.verdict
    assert "scalar codes 0.1250" in result.verdict


@pytest.mark.parametrize(("by", "than"), [(0.3, "above"), (0.01, "not significantly"), (-0.3, "below")])
def test_no_groups_are_compared_but_are_no_other_grouping(by, than):
    result = judge(contest(random=shifted(0.5), no_groups=shifted(by)), TERMS, TIMES, {})
    assert (result.outcome, result.best) == ("better", "random")
    assert [each.name for each in result.contestants] == ["model", "random", "no_groups"]
    assert f"Without groups, {WHOLE} {3 + by:.4f}, {than}" in result.verdict
