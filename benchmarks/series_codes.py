"""What codes of real series tell, beside features made for series, and what training on beginnings is worth.

`--parts features`: accuracy of a linear probe on one-hot codes, on the descriptors, and on catch22 and
MiniRocket features, in full and as principal components with scalar codes of as many bits, and R2 of a row's
length; `--features` is where `series_features.py` wrote these features. `--parts crop`: held-out error of the
descriptors of whole rows and of beginnings, with `model.series.crop` and without.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.real_series import REAL_SERIES, RealSeries
from benchmarks.series import coded, probe, train
from catvq.cleaning.cleaner import FeatureCleaner
from catvq.features.sequences import Series
from catvq.features.table import FeatureTable
from catvq.frozen.verify import OnnxEncoder

SETS = [name for name in REAL_SERIES if name not in {"digits", "faces"}]
DIMENSIONS = 64  # of features, before their components are coded
BEGINNINGS = (0.25, 0.5, 0.75)
PARTS = ["features", "crop"]


def main() -> None:
    """Print a row for each set and part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--features", type=Path, default=Path("features"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    if "features" in arguments.parts:
        print(
            "| set | bits | codes | descriptors | catch22 coded | in full | MiniRocket coded | in full",
            end="",
        )
        print(" | length from codes | from descriptors |\n" + "|---" * 10 + "|")
        for name in arguments.sets:
            found = np.load(arguments.features / f"{name}.npz")
            features = [found["catch22"], found["minirocket"]]
            show(name, [compare(REAL_SERIES[name](), features, seed) for seed in arguments.seeds])
    if "crop" in arguments.parts:
        print("\n| set | whole | a quarter | half | three quarters | with crop: whole", end="")
        print(" | a quarter | half | three quarters |\n" + "|---" * 9 + "|")
        for name in arguments.sets:
            real = REAL_SERIES[name]()
            show(name, [errors(real, seed) for seed in arguments.seeds])


def show(name: str, rows: list[list[float]]) -> None:
    """Print means over seeds."""
    cells = " | ".join("-" if np.isnan(value) else f"{value:.3f}" for value in np.mean(rows, axis=0))
    print(f"| {name} | {cells} |", flush=True)


def table_of(values: Series) -> FeatureTable:
    """A table of nothing but one family of series."""
    names = tuple(f"s/{channel}" for channel in range(values.num_channels))
    return FeatureTable(np.empty((values.num_rows, 0), np.float32), names, {"s": names}, others={"s": values})


def compare(real: RealSeries, features: list[NDArray[np.float32]], seed: int) -> list[float]:
    """Bits, probes, and R2 of the length from codes and from descriptors."""
    table = table_of(real.values)
    run, frozen = train(table, seed, {})
    split, descriptors = table.split(run.config.training), frozen.cleaner.normalize(table.numbers)
    codes = OnnxEncoder(frozen.encoder, frozen.doubt).encode(table.values, table.others).codes
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    tokens = one_hot.fit(codes[split.train]).transform(codes)
    bits = int(frozen.report["codebook"]["bits_per_row"])
    inputs = [tokens, descriptors]
    for full in features:
        scaled = StandardScaler().fit(full[split.train]).transform(full)
        size = min(DIMENSIONS, len(split.train), full.shape[1])
        reduced = PCA(size, random_state=seed).fit(scaled[split.train]).transform(scaled)
        inputs += [coded(reduced, split.train, bits, seed), full]
    accuracies = [probe(each, real.labels, split.train, split.test) for each in inputs]
    lengths = real.values.lengths
    told = [np.nan, np.nan]
    if np.ptp(lengths):
        told = [
            RidgeCV(np.logspace(-1, 4, 6))
            .fit(each[split.train], lengths[split.train])
            .score(each[split.test], lengths[split.test])
            for each in (tokens, descriptors)
        ]
    return [bits, *accuracies, *told]


def errors(real: RealSeries, seed: int) -> list[float]:
    """Held-out error of whole rows and of beginnings, without cropping, then with it.

    All in units of the deviation of whole rows' descriptors, within the bounds of the first model.
    """
    table, found = table_of(real.values), []
    cleaner: FeatureCleaner | None = None
    for crop in (False, True):
        run, frozen = train(table, seed, {"series": {"crop": crop}})
        cleaner = cleaner or frozen.cleaner
        test = real.values.take(table.split(run.config.training).test)
        for share in (1.0, *BEGINNINGS):
            begun = table_of(test.begin(np.ceil(share * test.lengths).astype(np.int64))).numbers
            rows = torch.from_numpy(frozen.cleaner.normalize(begun))
            rebuilt = frozen.cleaner.restore(frozen.weights.decode(frozen.weights.encode(rows)).numpy())
            missed = np.square(cleaner.normalize(rebuilt) - cleaner.normalize(begun)).sum(axis=1).mean()
            found.append(float(missed) / len(cleaner.active))
    return found


if __name__ == "__main__":
    main()
