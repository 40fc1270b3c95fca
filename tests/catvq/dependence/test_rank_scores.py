import numpy as np
import pytest

from catvq.dependence.rank_scores import cosines, rank_kurtosis, ranks, uncorrelated_scores

rng = np.random.default_rng(0)
NORMAL = rng.standard_normal((400, 5)).astype(np.float32)


def column(*values):
    return np.array(values, dtype=np.float32)[:, None]


def test_ranks_lie_evenly_between_0_and_1_and_ties_share_their_mean():
    assert ranks(column(7, -3, 100, 8))[:, 0].tolist() == [0.375, 0.125, 0.875, 0.625]
    assert ranks(column(2, 1, 2, 3))[:, 0].tolist() == [0.5, 0.125, 0.5, 0.875]


def test_ranks_depend_on_neither_unit_nor_tails():
    assert (ranks(np.sinh(3 * NORMAL) - 7) == ranks(NORMAL)).all()


def test_cosines_have_the_values_worked_out_by_hand():
    found = cosines(column(1 / 3, 0.5), range(1, 4))

    assert found.shape == (2, 1, 3)
    assert found[0, 0] == pytest.approx(np.sqrt(2) * np.array([0.5, -0.5, -1]), abs=1e-6)
    assert found[1, 0] == pytest.approx(np.sqrt(2) * np.array([0, -1, 0]), abs=1e-6)


def test_cosines_of_distinct_ranks_are_orthonormal():
    columns = cosines(ranks(NORMAL[:, :1]), range(1, 5))[:, 0]

    assert columns.T @ columns / len(columns) == pytest.approx(np.eye(4), abs=1e-4)


def test_scores_have_mean_0_and_variance_1_and_hardly_correlate():
    values = NORMAL + NORMAL.mean(axis=1, keepdims=True) * 3
    before = np.corrcoef(cosines(ranks(values), range(1, 2))[:, :, 0].T)
    scores = uncorrelated_scores(ranks(values))
    after = np.corrcoef(scores.T)

    assert scores.mean(axis=0) == pytest.approx(np.zeros(5), abs=1e-5)
    assert scores.std(axis=0) == pytest.approx(np.ones(5), abs=1e-5)
    assert np.abs(before - np.eye(5)).max() > 0.5
    assert np.abs(after - np.eye(5)).max() < 0.2


def test_a_score_stays_closest_to_its_own_feature():
    values = NORMAL + NORMAL.mean(axis=1, keepdims=True)
    own = cosines(ranks(values), range(1, 2))[:, :, 0]
    agreement = np.abs(np.corrcoef(uncorrelated_scores(ranks(values)).T, own.T)[:5, 5:])

    assert agreement.argmax(axis=1).tolist() == list(range(5))


def test_a_feature_that_never_varies_has_no_score():
    values = NORMAL + NORMAL.mean(axis=1, keepdims=True)
    values[:, 2] = 4
    scores = uncorrelated_scores(ranks(values))

    assert (scores[:, 2] == 0).all()
    assert scores[:, [0, 1, 3, 4]].std(axis=0) == pytest.approx(np.ones(4), abs=1e-5)


def test_kurtosis_is_one_and_a_half_without_ties_and_high_for_a_rare_value():
    rare = np.zeros(400, dtype=np.float32)
    rare[:4] = 1
    values = np.stack([NORMAL[:, 0], rare, np.zeros(400, dtype=np.float32)], axis=1)

    # A Bernoulli variable of chance p has kurtosis (1 - 3 p (1 - p)) / (p (1 - p)).
    by_hand = (1 - 3 * 0.01 * 0.99) / (0.01 * 0.99)
    assert rank_kurtosis(ranks(values)) == pytest.approx([1.5, by_hand, 0], rel=1e-3)
