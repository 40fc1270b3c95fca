import json

import numpy as np
import pytest

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.cleaning.report import describe_cleaning
from catvq.config import CleaningSettings
from catvq.features.columns import FeatureColumns

NOISE = np.random.default_rng(0).standard_normal((500, 2)).astype(np.float32)
OFF = CleaningSettings(enabled=False)


def cut(values, *edges):
    return np.digitize(values, edges).astype(np.float32)


@pytest.fixture
def mixed():
    """A number, its cut in four (one value never seen, some missing), that by other names, and a constant."""
    place = cut(NOISE[:, 0], -0.5, 0.5)
    place[::10] = np.nan
    renamed = np.where(np.isnan(place), np.nan, np.array([2, 0, 1])[np.nan_to_num(place).astype(int)])
    return np.stack([NOISE[:, 1], place, renamed, np.ones(500)], axis=1).astype(np.float32)


COLUMNS = FeatureColumns.tabular(np.array([0, 4, 3, 2]))


def test_a_categorical_feature_weighs_as_one_and_what_is_missing_as_nothing(mixed):
    cleaner = FeatureCleaner.fit(mixed, CleaningSettings(), columns=COLUMNS)
    normalized = cleaner.normalize(mixed)

    assert cleaner.active_columns.tolist() == [0, 1, 2, 3]  # the fourth value is never seen
    assert cleaner.feature_of_column.tolist() == [0, 1, 1, 1]
    assert np.nanvar(cleaner.observed(mixed)[:, 1:], axis=0).sum() == pytest.approx(1, rel=1e-5)
    assert np.abs(normalized[::10, 1:]).max() < 1e-6
    np.testing.assert_allclose(normalized.mean(axis=0), 0, atol=1e-6)
    assert np.isnan(cleaner.observed(mixed)[::10, 1:]).all()


def test_values_come_back_also_those_of_duplicates_and_constants(mixed):
    cleaner = FeatureCleaner.fit(mixed, CleaningSettings(), columns=COLUMNS)
    restored = cleaner.restore(cleaner.normalize(mixed))
    is_there = ~np.isnan(mixed[:, 1])

    assert [cleaner.status(index) for index in range(4)] == ["kept", "kept", "duplicate", "constant"]
    assert cleaner.active.tolist() == [0, 1]
    assert cleaner.position.tolist() == [0, 1, 1, 0]
    assert (restored[is_there, 1:] == mixed[is_there, 1:]).all()
    assert set(restored[~is_there, 1].tolist()) <= {0, 1, 2}
    assert describe_cleaning(cleaner, "abcd")[2].duplicate_of == "b"


def test_a_cleaner_of_categorical_features_comes_back_from_json(mixed):
    cleaner = FeatureCleaner.fit(mixed, CleaningSettings(), columns=COLUMNS)
    again = FeatureCleaner.from_dict(json.loads(json.dumps(cleaner.to_dict(), allow_nan=False)))

    assert again.normalize(mixed).tobytes() == cleaner.normalize(mixed).tobytes()
    assert (
        again.restore(again.normalize(mixed)).tobytes() == cleaner.restore(cleaner.normalize(mixed)).tobytes()
    )


def test_unknown_values_are_cleaned_like_missing_ones(mixed):
    cleaner = FeatureCleaner.fit(mixed, CleaningSettings(), columns=COLUMNS)
    rows = np.array([[0, np.nan, 0, 0], [0, 4, 0, 0], [0, -1, 0, 0], [0, 1.5, 0, 0]], np.float32)
    normalized = cleaner.normalize(rows)

    assert (normalized == normalized[0]).all()


def test_cleaning_that_is_switched_off_keeps_every_column(mixed):
    cleaner = FeatureCleaner.fit(mixed, OFF, columns=COLUMNS)
    restored = cleaner.restore(cleaner.normalize(mixed))
    is_there = ~np.isnan(mixed[:, 1])

    assert cleaner.active.tolist() == [0, 1, 2, 3]
    assert len(cleaner.active_columns) == 10
    assert (restored[is_there, 1:] == mixed[is_there, 1:]).all()


def test_normalising_many_rows_does_not_depend_on_how_many_are_taken_at_once(mixed, monkeypatch):
    cleaner = FeatureCleaner.fit(mixed, CleaningSettings(), columns=COLUMNS)
    whole = cleaner.normalize(mixed)
    monkeypatch.setattr("catvq.cleaning.cleaner.NORMALIZED_ROWS", 7)

    assert cleaner.normalize(mixed).tobytes() == whole.tobytes()
    assert cleaner.normalize(mixed[:0]).shape == (0, 4)
