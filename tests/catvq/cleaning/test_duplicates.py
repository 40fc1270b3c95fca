import numpy as np
import pytest

from catvq.cleaning.duplicates import BLOCK, find_duplicates

rng = np.random.default_rng(0)
SIGNAL = rng.standard_normal((400, 4)).astype(np.float32)


def columns(*features):
    return np.stack(features, axis=1).astype(np.float32)


def test_the_first_of_two_repeating_features_is_kept():
    a, b, *_ = SIGNAL.T
    found = find_duplicates(columns(b, a, b, a), 0.99)

    assert found.representative.tolist() == [0, 1, 0, 1]


def test_a_sign_flipped_and_scaled_copy_follows_its_representative_by_a_line():
    a, b, *_ = SIGNAL.T
    found = find_duplicates(columns(a, b, 3 - 2 * a), 0.99)

    assert found.representative.tolist() == [0, 1, 0]
    assert found.slope == pytest.approx([1, 1, -2], abs=1e-5)
    assert found.intercept == pytest.approx([0, 0, 3], abs=1e-5)


def test_the_line_is_the_one_of_least_squares():
    a, b, *_ = SIGNAL.T.astype(np.float64)
    noisy = 1 + 0.5 * a + 0.02 * b
    found = find_duplicates(columns(a, noisy), 0.99)

    slope, intercept = np.polyfit(a, noisy, 1)
    assert found.slope[1] == pytest.approx(slope, abs=1e-5)
    assert found.intercept[1] == pytest.approx(intercept, abs=1e-5)


def test_a_duplicate_follows_the_kept_feature_it_correlates_with_most():
    a, b, *_ = SIGNAL.T
    near = a + 0.8 * b  # |r| with a is about 0.78
    found = find_duplicates(columns(a, near, near + 0.05 * a), 0.75)

    assert found.representative.tolist() == [0, 0, 0]  # `near` is itself a duplicate, so it stands for none
    assert find_duplicates(columns(a, near, near + 0.05 * a), 0.79 + 0.1).representative.tolist() == [0, 1, 1]


def test_a_correlation_at_or_below_the_threshold_is_no_duplicate():
    swinging = np.array([1, -1] * 50)  # its correlation with itself is exactly 1
    assert find_duplicates(columns(swinging, swinging), 1.0).representative.tolist() == [0, 1]

    many = np.repeat(rng.standard_normal((37, 50)).astype(np.float32), 2, axis=1)  # some round above 1
    assert find_duplicates(many, 1.0).representative.tolist() == list(range(100))


def test_a_feature_that_does_not_vary_repeats_nothing():
    still = np.full(len(SIGNAL), 0.7)
    found = find_duplicates(columns(still, still, SIGNAL[:, 0]), 0.5)

    assert found.representative.tolist() == [0, 1, 2]
    assert np.isfinite(found.slope).all()


def test_duplicates_stay_within_their_family_when_families_are_given():
    a, b, *_ = SIGNAL.T
    families = np.array([0, 1, 1, 0])
    found = find_duplicates(columns(a, a, a, b), 0.99, families=families)

    assert found.representative.tolist() == [0, 1, 1, 3]


def test_duplicates_are_found_across_blocks_as_well_as_within_one():
    count = 2 * BLOCK + 5
    values = rng.standard_normal((60, count)).astype(np.float32)
    copies = {BLOCK - 1: 3, BLOCK + 4: 3, 2 * BLOCK + 4: BLOCK + 1, 2 * BLOCK + 3: 2 * BLOCK + 2}
    for copy, original in copies.items():
        values[:, copy] = -values[:, original]
    found = find_duplicates(values, 0.99)

    moved = {
        int(j): int(found.representative[j]) for j in np.flatnonzero(found.representative != np.arange(count))
    }
    assert moved == copies
