"""Real series and grids with labels: samples that aeon, sktime, scikit-learn and scikit-image ship."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import files
from itertools import pairwise
from pathlib import Path

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
    found = [file for file in files(package) or [] if file.parts[-2:-1] == (name,)]
    rows, labels = [], []
    for part in ("TRAIN", "TEST"):
        (file,) = [each for each in found if each.name == f"{name}_{part}.ts"]
        text = Path(str(file.locate())).read_text(encoding="utf-8")
        for line in text.partition("@data")[2].split():
            *channels, label = line.split(":")
            rows.append(np.array([channel.split(",") for channel in channels], dtype=np.float32).T)
            labels.append(label)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    assert all(end > start for start, end in pairwise(offsets.tolist()))
    return RealSeries(Series.divide(np.concatenate(rows), offsets), np.array(labels))


def read_digits() -> RealSeries:
    """The digits of scikit-learn as grids."""
    digits = load_digits()
    return RealSeries(Grids(digits.images[:, None].astype(np.float32)), digits.target.astype(str))


def read_faces() -> RealSeries:
    """Faces, and pictures of none, as scikit-image ships them."""
    (file,) = [each for each in files("scikit-image") or [] if each.name == "lfw_subset.npy"]
    images = np.load(Path(str(file.locate())))
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
    "digits": read_digits,
    "faces": read_faces,
}
