"""Writes MiniRocket and catch22 features of real series, for `benchmarks.series --features DIRECTORY`.

Runs where aeon is installed with all that it needs, and needs nothing of catvq:
`python benchmarks/series_features.py DIRECTORY`. MiniRocket needs one length: series are stretched to the
longest, 512 steps at most.
"""

import sys
from importlib.metadata import files
from pathlib import Path

import numpy as np
from aeon.datasets import load_from_ts_file
from aeon.transformations.collection.convolution_based import MiniRocket
from aeon.transformations.collection.feature_based import Catch22

SETS = {
    **dict.fromkeys(
        ("JapaneseVowels", "BasicMotions", "ItalyPowerDemand", "ArrowHead", "PickupGestureWiimoteZ"), "aeon"
    ),
    "PLAID": "sktime",
}
MOST_STEPS = 512


def main() -> None:
    """Write a file for each set, its rows in the order of `real_series`."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name, package in SETS.items():
        rows = read_rows(name, package)
        steps = min(MOST_STEPS, max(row.shape[1] for row in rows))
        stretched = np.stack([stretch(row, steps) for row in rows]).astype(np.float32)
        np.savez(
            directory / f"{name}.npz",
            catch22=np.asarray(Catch22(replace_nans=True).fit_transform(rows), np.float32),
            minirocket=MiniRocket(random_state=0).fit_transform(stretched).astype(np.float32),
        )
        print(name, len(rows), steps, flush=True)


def read_rows(name: str, package: str) -> list[np.ndarray]:
    """Read all rows, [channels, steps] each."""
    found = [file for file in files(package) or [] if file.parts[-2:-1] == (name,)]
    rows = []
    for part in ("TRAIN", "TEST"):
        (file,) = [each for each in found if each.name == f"{name}_{part}.ts"]
        rows += list(load_from_ts_file(str(file.locate()))[0])
    return rows


def stretch(row: np.ndarray, steps: int) -> np.ndarray:
    """Return a series of as many steps, linear between the old ones."""
    places = np.linspace(0, row.shape[1] - 1, steps)
    return np.stack([np.interp(places, np.arange(row.shape[1]), channel) for channel in row])


if __name__ == "__main__":
    main()
