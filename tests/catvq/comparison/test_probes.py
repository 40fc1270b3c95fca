import numpy as np
import pytest

from catvq.comparison.probes import MAX_VALUES, probe_labels
from catvq.errors import Interrupted
from catvq.features.split import RowSplit

SPLIT = RowSplit(np.arange(200), np.arange(0), np.arange(200, 300))


def text(values):
    return np.array([str(value) for value in values], dtype=object)


def test_labels_that_codes_tell_are_told_and_others_are_guessed():
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, size=(300, 3))
    chance = text(random.integers(0, 2, size=300))
    labels = {"told": text(codes[:, 1] > 1), "chance": chance}
    labels["told"][:5] = None

    told, guessed = probe_labels(codes, codes.astype(np.float32), labels, SPLIT, should_stop=lambda: False)

    assert (told.key, told.linear, told.trees) == ("told", 1, 1)
    assert told.commonest < 0.7
    assert told.decoded > 0.9
    assert guessed.key == "chance"
    assert guessed.linear < 0.7


def test_names_constants_and_missing_labels_are_no_labels():
    codes = np.zeros((300, 2), dtype=np.int64)
    labels = {
        "name": text(np.arange(300) % (MAX_VALUES + 1)),
        "constant": text(np.zeros(300)),
        "missing": np.full(300, None, dtype=object),
    }

    assert probe_labels(codes, codes.astype(np.float32), labels, SPLIT, should_stop=lambda: False) == []


def test_probing_can_be_stopped():
    codes, labels = np.zeros((300, 1), dtype=np.int64), {"a": text(np.arange(300) % 2)}

    with pytest.raises(Interrupted):
        probe_labels(codes, codes.astype(np.float32), labels, SPLIT, should_stop=lambda: True)
