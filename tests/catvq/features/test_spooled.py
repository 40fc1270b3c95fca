import numpy as np
import pytest

from catvq.features.spooled import IN_MEMORY_BYTES, gather, gather_columns, new_array


def test_a_large_array_lies_in_a_file_without_a_name_and_a_small_one_in_memory(tmp_path):
    rows = IN_MEMORY_BYTES // 16 + 1

    small, large = new_array((10, 4), np.float32, tmp_path), new_array((rows, 4), np.float32, tmp_path)
    large[-1] = 7

    assert not isinstance(small, np.memmap)
    assert isinstance(large, np.memmap)
    assert large.shape == (rows, 4)
    assert large[-1].tolist() == [7, 7, 7, 7]
    assert not list(tmp_path.iterdir())


def test_a_file_that_finds_no_room_is_refused_before_it_is_written(tmp_path):
    with pytest.raises(OSError, match=r"large|space|Invalid"):
        new_array((2**40, 2**10), np.float32, tmp_path)


def test_rows_and_columns_are_gathered_in_blocks_into_files(tmp_path, monkeypatch):
    monkeypatch.setattr("catvq.features.spooled.IN_MEMORY_BYTES", 0)
    monkeypatch.setattr("catvq.features.spooled.BLOCK_CELLS", 7)
    values = np.arange(60.0).reshape(20, 3)
    rows, columns = np.array([19, 0, 0, 7, 3]), np.array([2, 0])

    assert np.array_equal(gather(values, rows, tmp_path), values[rows])
    found = gather_columns(values, columns, np.float32, tmp_path)
    assert found.dtype == np.float32
    assert np.array_equal(found, values[:, columns])
