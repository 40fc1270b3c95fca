"""Evaluates a model's grouping against others by their test errors, and writes the verdict as text.

Shapes: D' active features, T trainings of each grouping, B test rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from catvq.compared import (
    CodecName,
    CodecResult,
    ComparedRows,
    ContestantName,
    ContestantResult,
    Outcome,
    Verdict,
)

LEARNT: ContestantName = "model"  # the contestant that is evaluated
NO_GROUPS: ContestantName = "no_groups"  # all features are in one category, with as many codes in all
# The initial grouping of a static job, common methods, and random groups.
NAMES: Mapping[ContestantName, str] = {
    "clustering": "Ward clustering of correlation",
    "feature_agglomeration": "FeatureAgglomeration",
    "spectral_coclustering": "SpectralCoclustering",
    "spectral_correlation": "spectral clustering of |correlation|",
    "spectral_information": "spectral clustering of mutual information",
    "random": "random groups",
}
CLEAR = 2.0  # standard errors; a smaller difference is not significant
MIN_TEST_ROWS = 2  # fewer have no standard error


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A grouping and the errors of models trained with it.

    Attributes:
        name: LEARNT, a key of NAMES, or NO_GROUPS.
        grouping: int64 [D'].
        row_errors: float64 [T, B], error of each test row in each training.
    """

    name: ContestantName
    grouping: NDArray[np.int64]
    row_errors: NDArray[np.float64]

    @property
    def test_error(self) -> float:
        """Mean error over all test rows and trainings."""
        return float(self.row_errors.mean())


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Settings shared by all contestants.

    Attributes:
        codebook_size: Size of every codebook.
        epochs: Epochs of each training.
        seeds: Seeds of the trainings.
        has_choice: Whether features can be grouped in more than one way.
        has_structure: Whether any dependence between features was found.
        model_test_error: Error of the model as frozen, on all its test rows; None without test rows.
        moved: How many features are not in the category where they started.
    """

    train_rows: int
    test_rows: int
    features: int
    categories: int
    levels: int
    codebook_size: int
    epochs: int
    seeds: tuple[int, ...]
    has_choice: bool
    has_structure: bool
    model_test_error: float | None
    moved: int

    @property
    def can_judge(self) -> bool:
        """Whether there are several possible groupings and enough test rows."""
        return self.has_choice and self.test_rows >= MIN_TEST_ROWS

    @property
    def bits_per_row(self) -> float:
        """Bits of a row's codes."""
        return float(self.categories * self.levels * np.log2(self.codebook_size))


@dataclass(frozen=True)
class Times:
    """Durations in seconds: the model's initialisation and training; a static training of its size."""

    training: float
    static: float


@dataclass(frozen=True)
class Difference:
    """Error of a contestant minus that of the model's grouping, with its standard error."""

    mean: float
    standard_error: float

    @property
    def deviations(self) -> float:
        """The difference in standard errors; 0 for equal groupings."""
        return self.mean / self.standard_error if self.standard_error > 0 else 0.0


def judge(
    contestants: Sequence[Contestant], terms: Terms, times: Times | None, codecs: Mapping[CodecName, float]
) -> Verdict:
    """Compare the first contestant, the model's grouping, with the best of the others.

    Args:
        contestants: Equal groupings have equal errors; empty if `terms.can_judge` is false.
        terms: Settings shared by all contestants.
        times: None if nothing was trained.
        codecs: Test errors of classical quantisers by name; empty if nothing was trained.
    """
    outcome: Outcome = "none"
    best, verdict = None, _no_verdict(terms)
    differences = _differences(contestants)
    if contestants:
        grouped = [number for number, each in enumerate(contestants) if each.name in NAMES]
        number = min(grouped, key=lambda i: contestants[i].test_error)
        best, outcome = contestants[number].name, _outcome(differences[number])
        sentences = _sentences(contestants[0], contestants[number], differences[number], terms)
        sentences += [
            _without_groups(contestant, difference)
            for contestant, difference in zip(contestants, differences, strict=True)
            if contestant.name == NO_GROUPS
        ]
        verdict = " ".join(sentences)
    if codecs:
        verdict += f" {_untrained(codecs)}"
    if times is not None:
        verdict += f" {_cost(times)}"
    return Verdict(
        outcome=outcome,
        best=best,
        contestants=[
            ContestantResult(
                name=contestant.name,
                test_error=contestant.test_error,
                test_errors=contestant.row_errors.mean(axis=1).tolist(),
                agreement=float(adjusted_rand_score(contestants[0].grouping, contestant.grouping)),
                difference=difference.mean,
                standard_error=difference.standard_error,
            )
            for contestant, difference in zip(contestants, differences, strict=True)
        ],
        codecs=[CodecResult(name, error) for name, error in codecs.items()],
        rows=ComparedRows(terms.train_rows, terms.test_rows),
        categories=terms.categories,
        levels=terms.levels,
        codebook_size=terms.codebook_size,
        bits_per_row=terms.bits_per_row,
        epochs=terms.epochs,
        seeds=list(terms.seeds),
        has_structure=terms.has_structure,
        model_test_error=terms.model_test_error,
        training_seconds=None if times is None else times.training,
        static_seconds=None if times is None else round(times.static, 1),
        verdict=verdict,
    )


def _differences(contestants: Sequence[Contestant]) -> list[Difference]:
    """Differences paired by row and training; all groupings share one variance between trainings."""
    distinct = {contestant.row_errors.tobytes(): contestant.row_errors for contestant in contestants}
    chance = _chance(np.array([errors.mean(axis=1) for errors in distinct.values()]))
    return [
        _difference(contestants[0].row_errors, contestant.row_errors, chance=chance)
        for contestant in contestants
    ]


def _chance(errors: NDArray[np.float64]) -> float:
    """Residual variance of one training's error, after the effects of grouping and seed.

    Args:
        errors: Error of each grouping in each training, [groupings, T].
    """
    if len(errors) < 2:
        return 0.0
    residuals = errors - errors.mean(axis=1, keepdims=True) - errors.mean(axis=0) + errors.mean()
    return float(np.square(residuals).sum() / ((errors.shape[0] - 1) * (errors.shape[1] - 1)))


def _difference(learnt: NDArray[np.float64], other: NDArray[np.float64], *, chance: float) -> Difference:
    if np.array_equal(learnt, other):
        return Difference(0.0, 0.0)
    trainings, rows = learnt.shape
    of_row = (other - learnt).mean(axis=0)
    variance = of_row.var(ddof=1) / rows + 2 * chance / trainings
    return Difference(float(of_row.mean()), float(np.sqrt(variance)))


def _outcome(difference: Difference) -> Outcome:
    if abs(difference.deviations) < CLEAR:
        return "as_good"
    return "better" if difference.mean > 0 else "worse"


def _sentences(learnt: Contestant, best: Contestant, difference: Difference, terms: Terms) -> list[str]:
    """Return the sentences of the verdict: result, basis and limitations."""
    sentences = [_finding(learnt, best, difference), _origin(terms), _basis(terms)]
    if terms.model_test_error is not None:
        sentences.append(f"The model itself has test error {terms.model_test_error:.4f}.")
    if not terms.has_structure:
        sentences.append(
            "No significant dependence between features was found: the table looks like noise, and its "
            "categories have little meaning."
        )
    sentences.append(
        "The standard error includes the sampling of test rows and the variance between trainings, but not "
        "that of the split."
    )
    return sentences


def _finding(learnt: Contestant, best: Contestant, difference: Difference) -> str:
    name = NAMES[best.name]
    if difference.standard_error == 0:
        return f"As good: {name}, a usual method, finds the same categories."
    errors = f"{learnt.test_error:.4f} against {best.test_error:.4f}"
    part = f"{abs(difference.mean) / best.test_error:.1%}"
    clear = f"{abs(difference.deviations):.1f} standard errors"
    return {
        "better": f"Better: with the model's categories the test error is {part} below that of {name}, the "
        f"best of the usual methods ({errors}, a difference of {clear}).",
        "as_good": f"As good: {name}, a usual method, does as well as the model's categories "
        f"({errors}, a difference of {clear}, which is not significant).",
        "worse": f"Worse: with the model's categories the test error is {part} above that of {name}, a usual "
        f"method ({errors}, a difference of {clear}).",
    }[_outcome(difference)]


def _origin(terms: Terms) -> str:
    if not terms.moved:
        return "Training moved no feature: the start found these categories."
    return (
        f"{terms.moved} of {terms.features} features ended in another category than they started in; the "
        "others stayed where the start had put them."
    )


def _basis(terms: Terms) -> str:
    return (
        f"Each of {1 + len(NAMES)} groupings trained {len(terms.seeds)} models in static mode, for "
        f"{terms.epochs} epochs on the same {terms.train_rows} rows, with {terms.categories} categories and "
        f"{terms.bits_per_row:.0f} bits per row; the error is the mean square of normalised features after "
        f"quantisation, on {terms.test_rows} test rows that were used for no decision."
    )


def _without_groups(contestant: Contestant, difference: Difference) -> str:
    than = {"better": "above", "as_good": "not significantly different from", "worse": "below"}
    return (
        f"Without groups, with all features in one category and as many codes, the test error is "
        f"{contestant.test_error:.4f}, {than[_outcome(difference)]} that of the model's categories."
    )


def _untrained(codecs: Mapping[CodecName, float]) -> str:
    return (
        f"With as many bits and no training, residual k-means in the model's categories has test error "
        f"{codecs['residual_k_means']:.4f}, without categories {codecs['ungrouped_residual_k_means']:.4f}, "
        f"and principal components with scalar codes {codecs['principal_components']:.4f}."
    )


def _cost(times: Times) -> str:
    return (
        f"Learning it took {times.training:.0f} s, {times.training / times.static:.1f} times as long as one "
        f"static training of that size takes ({times.static:.0f} s, estimated from the runs above)."
    )


def _no_verdict(terms: Terms) -> str:
    if not terms.has_choice:
        return (
            f"No verdict: there is only one way to group {terms.features} features into "
            f"{terms.categories} categories."
        )
    return f"No verdict: {terms.test_rows} test rows are too few; a larger test_fraction gives more."
