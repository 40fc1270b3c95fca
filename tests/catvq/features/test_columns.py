import numpy as np
import pytest

from catvq.errors import ConfigError
from catvq.features.columns import NUMBER, FeatureColumns
from catvq.features.table import FeatureTable

NAN = np.nan
COLUMNS = FeatureColumns.tabular(np.array([0, 3, 2]))  # a number, a feature of three values and one of two


def test_a_number_has_one_column_and_a_categorical_feature_one_for_each_value():
    assert COLUMNS.feature.tolist() == [0, 1, 1, 1, 2, 2]
    assert COLUMNS.value.tolist() == [NUMBER, 0, 1, 2, 0, 1]
    assert COLUMNS.first.tolist() == [0, 1, 4]
    assert COLUMNS.slots.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_indices_become_indicators_and_come_back(dtype):
    values = np.array([[0.5, 2, 0], [NAN, 0, 1]], dtype)
    expanded = COLUMNS.expand(values)

    assert expanded.dtype == dtype
    np.testing.assert_array_equal(expanded, [[0.5, 0, 0, 1, 1, 0], [NAN, 1, 0, 0, 0, 1]])
    np.testing.assert_array_equal(COLUMNS.collapse(expanded), values)


@pytest.mark.parametrize("unknown", [NAN, 3, -1, 0.5, np.inf, -np.inf])
def test_what_is_no_index_of_a_value_is_missing(unknown):
    values = np.array([[1, unknown, 1]], np.float32)

    assert COLUMNS.is_missing(values).tolist() == [[False, True, False]]
    np.testing.assert_array_equal(COLUMNS.expand(values), [[1, NAN, NAN, NAN, 0, 1]])


def test_of_equal_columns_the_first_value_is_taken():
    assert COLUMNS.collapse(np.array([[7, 0.2, 0.4, 0.4, 0.1, 0.1]])).tolist() == [[7, 1, 0]]


def test_numbers_alone_are_their_own_columns():
    plain, values = FeatureColumns.tabular(np.zeros(2, np.int64)), np.array([[1, NAN]], np.float32)

    assert plain.expand(values) is values
    assert plain.collapse(values) is values
    assert plain.slots.shape == (0, 0)


@pytest.mark.parametrize("values_of", [{"c": ("x",)}, {"a": ()}, {"a": ("x", "x")}])
def test_values_have_names_and_belong_to_a_feature(values_of):
    with pytest.raises(ConfigError, match="values"):
        FeatureTable(np.zeros((3, 2), np.float32), ("a", "b"), {"all": ("a", "b")}, values_of)


def test_a_table_knows_its_columns():
    table = FeatureTable(
        np.zeros((3, 2), np.float32), ("a", "b"), {"all": ("a", "b")}, {"b": ("x", "y", "z")}
    )

    assert table.columns.num_values.tolist() == [0, 3]
