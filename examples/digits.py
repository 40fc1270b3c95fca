"""Scikit-learn's bundled handwritten digits, seen through five families of features.

The 1,797 images of 8 x 8 grey values come with scikit-learn, so nothing is downloaded. Everything here is
plain arithmetic without chance: the same machine gives the same bytes.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

SIDE = 8  # pixels
CELLS = 2  # gradient histograms cover 2 x 2 quarters of an image
ANGLES = 8  # bins of a gradient histogram, over the full circle
MOMENT_ORDERS = ((2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DigitTable:
    """The digits as a table.

    Args:
        values: Features, float32 [1797, 158].
        columns: Their names, `family_rest`, so that `prefix:_` finds the families.
        labels: The digit drawn in each row; nothing is trained on it.
    """

    values: npt.NDArray[np.float32]
    columns: tuple[str, ...]
    labels: npt.NDArray[np.int64]

    def columns_of(self, family: str) -> list[str]:
        """Return the names of a family's features."""
        return [name for name in self.columns if name.startswith(f"{family}_")]


def load_digit_table() -> DigitTable:
    """Compute all families; constant pixels stay in, as real tables have such columns."""
    bunch = load_digits()
    images = np.asarray(bunch.images, np.float64)
    features: dict[str, Array] = {}
    for family in (pixels, fourier, gradients, projections, moments):
        features |= {f"{family.__name__}_{name}": column for name, column in family(images).items()}
    values = np.column_stack(list(features.values())).astype(np.float32)
    return DigitTable(values, tuple(features), np.asarray(bunch.target, np.int64))


def pixels(images: Array) -> dict[str, Array]:
    """Grey values, 0 to 16."""
    return {f"r{row}c{column}": images[:, row, column] for row in range(SIDE) for column in range(SIDE)}


def fourier(images: Array) -> dict[str, Array]:
    """Magnitudes of the two-dimensional Fourier transform, each of the 34 distinct ones once."""
    magnitudes = np.abs(np.fft.rfft2(images))
    half = SIDE // 2
    return {
        f"u{row}v{column}": magnitudes[:, row, column]
        for row in range(SIDE)
        for column in range(half + 1)
        if column not in {0, half} or row <= half  # in these two columns, row -u repeats row u
    }


def gradients(images: Array) -> dict[str, Array]:
    """Histograms of the gradient's direction, weighted by its length, in each quarter."""
    down, right = np.gradient(images, axis=(1, 2))
    length = np.hypot(down, right)
    bins = np.floor(np.arctan2(down, right) / (2 * np.pi) * ANGLES + 0.5).astype(int) % ANGLES
    size = SIDE // CELLS
    found = {}
    for row in range(CELLS):
        for column in range(CELLS):
            cell = np.s_[:, row * size : (row + 1) * size, column * size : (column + 1) * size]
            for angle in range(ANGLES):
                weights = np.where(bins[cell] == angle, length[cell], 0.0)
                found[f"r{row}c{column}a{angle}"] = weights.sum(axis=(1, 2))
    return found


def projections(images: Array) -> dict[str, Array]:
    """Ink in each row and each column."""
    rows = {f"row{row}": images[:, row, :].sum(axis=1) for row in range(SIDE)}
    columns = {f"column{column}": images[:, :, column].sum(axis=1) for column in range(SIDE)}
    return rows | columns


def moments(images: Array) -> dict[str, Array]:
    """Area, centre, central moments up to the third order, elongation and slant."""
    area = images.sum(axis=(1, 2))
    down, right = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    centre_down = (images * down).sum(axis=(1, 2)) / area
    centre_right = (images * right).sum(axis=(1, 2)) / area
    from_down = down - centre_down[:, None, None]
    from_right = right - centre_right[:, None, None]
    central = {
        f"mu{p}{q}": (images * from_right**p * from_down**q).sum(axis=(1, 2)) / area for p, q in MOMENT_ORDERS
    }
    spread = np.hypot(central["mu20"] - central["mu02"], 2 * central["mu11"])
    elongation = spread / (central["mu20"] + central["mu02"])
    slant = 0.5 * np.arctan2(2 * central["mu11"], central["mu20"] - central["mu02"])
    return {
        "area": area,
        "centerdown": centre_down,
        "centerright": centre_right,
        **central,
        "elongation": elongation,
        "slant": slant,
    }


def main() -> None:
    """Write the table as CSV to the path given: `python examples/digits.py digits.csv`."""
    table = load_digit_table()
    with Path(sys.argv[1]).open("w") as file:
        file.write(",".join(table.columns) + "\n")
        np.savetxt(file, table.values, delimiter=",", fmt="%.9g")


if __name__ == "__main__":
    main()
