from dataclasses import replace

from app.requests.jobs.estimate import count_columns
from tests.app.requests.jobs.plain_dataset import dataset


def test_what_features_become_counts_in_the_estimate():
    plain = dataset(features=["a0", "w/x", "g/0"])
    kinds = [
        {"family": "w", "kind": "series", "channels": ["x"], "length": {"min": 1, "max": 9}, "shape": None},
        {"family": "g", "kind": "grid", "channels": ["0"], "length": None, "shape": [4, 4]},
    ]
    assert count_columns(plain) == 3
    assert count_columns(replace(plain, kinds=kinds)) == 1 + 44 + 86
    assert count_columns(dataset(columns=[("a0", "categorical", ["x", "y", "z"])])) == 3 + 4
