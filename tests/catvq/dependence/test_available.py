import numpy as np
import pytest

from catvq.dependence.available import LEAST_ROWS, Presence, standardised

GAPS = np.array([[1, 2], [np.nan, 4], [3, np.nan], [5, 9]], dtype=np.float32)


def with_gaps(rows=400, features=6, part=0.4, seed=0):
    random = np.random.default_rng(seed)
    values = random.standard_normal((rows, features)).astype(np.float32) + random.standard_normal((rows, 1))
    values[random.random(values.shape) < part] = np.nan
    return values.astype(np.float32)


def test_a_table_without_gaps_stays_as_it_is():
    whole = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert Presence.of(whole) is None
    assert standardised(whole, None) is whole


def test_rows_are_counted_for_each_pair_by_hand():
    presence = Presence.of(GAPS)
    assert presence.rows.tolist() == [[3, 2], [2, 3]]
    assert presence.cells.tolist() == [[True, True], [False, True], [True, False], [True, True]]
    assert presence.typical_rows == LEAST_ROWS


def test_what_is_there_has_mean_0_and_variance_1_and_the_rest_is_0():
    columns = standardised(GAPS, Presence.of(GAPS))
    assert columns[:, 0] == pytest.approx(np.array([-2, 0, 0, 2]) / np.sqrt(8 / 3))
    assert columns[2, 1] == 0
    assert columns[:, 1].sum() == pytest.approx(0, abs=1e-6)


def test_a_feature_that_never_varies_where_it_is_there_is_0():
    values = with_gaps()
    values[~np.isnan(values[:, 2]), 2] = 0.3
    assert not standardised(values, Presence.of(values))[:, 2].any()


def test_a_correlation_is_that_of_the_rows_in_common():
    values = with_gaps()
    presence = Presence.of(values)
    columns = standardised(values, presence)
    found = presence.correlation(columns)
    both = presence.cells[:, 0] & presence.cells[:, 3]

    assert np.linalg.eigvalsh(found)[0] > 0
    assert found[0, 3] == pytest.approx((columns[both, 0] * columns[both, 3]).mean(), rel=1e-5)
    assert np.diag(found).tolist() == [1] * 6


def test_correlations_that_cannot_be_together_are_shrunk_until_they_can():
    """Of three features two pairs agree, seen in some rows, and one is opposed, seen in others."""
    same, opposed = np.tile([[1.0, 1], [-1, -1]], (10, 1)), np.tile([[1.0, -1], [-1, 1]], (10, 1))
    nothing = np.full((20, 1), np.nan)
    values = np.concatenate(
        [
            np.concatenate([same, nothing], axis=1),
            np.concatenate([nothing, same], axis=1),
            np.insert(opposed, [1], nothing, axis=1),
        ]
    ).astype(np.float32)
    found = Presence.of(values).correlation(values := np.nan_to_num(values))

    assert np.linalg.eigvalsh(found)[0] == pytest.approx(0, abs=1e-9)
    assert found[0, 1] == found[1, 2] == -found[0, 2] == pytest.approx(0.5)


def test_shuffling_leaves_gaps_and_values_of_every_feature():
    values = with_gaps()
    presence = Presence.of(values)
    columns = standardised(values, presence)[:, :, None]
    mixed = presence.shuffled(columns)

    assert ((mixed != 0) == (columns != 0)).all()
    assert (np.sort(mixed, axis=0) == np.sort(columns, axis=0)).all()
    assert (
        abs(presence.correlation(mixed[:, :, 0])[0, 3]) < 0.2 < presence.correlation(columns[:, :, 0])[0, 3]
    )
