"""Series and grids: planted categories, and codes of real sets against other codes: `make bench-series`.

Planted: how well the groups of channels and numbers agree with the causes that made them (adjusted Rand
index). Real: held-out error of standardised descriptors at equal bits, of the model, of principal components
of the descriptors, and of those of padded rows, from which a ridge tells the descriptors; how well a linear
probe reads labels off each of these codes; and how much the codes tell of a row's length.
"""

import argparse
import time
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.planted_channels import draw_channels
from benchmarks.real_series import REAL_SERIES, RealSeries
from catvq.comparison.classical_codecs import principal_components
from catvq.config import RunConfig
from catvq.descriptors.family import ChannelFamily
from catvq.features.batches import describe
from catvq.features.sequences import Series
from catvq.features.table import FeatureTable
from catvq.frozen.artifact import FrozenModel
from catvq.frozen.verify import OnnxEncoder
from catvq.training.run import TrainingRun

LENGTHS = ((8, 64), (8, 512), (64, 4096))
PLANTED_ROWS = 800
PARTS = ["speed", "starts", "planted", "real"]
SPEED_STEPS = 2**18  # of four channels


def main() -> None:
    """Print a table for each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", type=int, default=PLANTED_ROWS)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--sets", nargs="+", default=list(REAL_SERIES), choices=list(REAL_SERIES))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(f"seeds {arguments.seeds}, {arguments.rows} planted rows, torch {torch.__version__}\n")
    if "speed" in arguments.parts:
        for length in (16, 256, 4096):
            print(f"series of {length}: {time_descriptors(length):.0f} ns of CPU a value", flush=True)
    if "starts" in arguments.parts:
        print("| lengths | agreement of the start, 3 given | auto |\n|---|---|---|")
        for shortest, longest in LENGTHS:
            row = " | ".join(map(_mean, start(arguments.rows, shortest, longest, arguments.seeds)))
            print(f"| {shortest} to {longest} | {row} |", flush=True)
    if "planted" in arguments.parts:
        print("| lengths | agreement, 3 given | agreement, auto | s of CPU |\n|---|---|---|---|")
        for shortest, longest in LENGTHS:
            row = " | ".join(map(_mean, plant(arguments.rows, shortest, longest, arguments.seeds)))
            print(f"| {shortest} to {longest} | {row} |", flush=True)
    if "real" in arguments.parts:
        show_real(arguments.sets, arguments.seeds)


def time_descriptors(length: int) -> float:
    """Nanoseconds of CPU that the descriptors of a value take."""
    values = np.random.default_rng(0).standard_normal((SPEED_STEPS, 4)).astype(np.float32)
    series = Series.divide(values, np.arange(0, SPEED_STEPS + 1, length))
    family = ChannelFamily("s", ("0", "1", "2", "3"), None)
    into = np.empty((series.num_rows, 4 * len(family.descriptors)), dtype=np.float32)
    started = time.process_time()
    describe(family, series, into)
    return (time.process_time() - started) / values.size * 1e9


def show_real(sets: list[str], seeds: list[int]) -> None:
    """Print a row for each real set."""
    heads = "set | rows x channels | lengths | bits | error | PCA of descriptors | PCA of padded rows"
    print(f"\n| {heads} | probe | of PCA of descriptors | of PCA of padded rows | length told | s of CPU |")
    print("|---" * 12 + "|")
    for name in sets:
        real = REAL_SERIES[name]()
        lengths = real.values.lengths if isinstance(real.values, Series) else np.array(real.values.shape)
        means = np.mean([measure(real, seed) for seed in seeds], axis=0)
        shape = f"{real.values.num_rows} x {real.values.num_channels} | {lengths.min()} to {lengths.max()}"
        cells = " | ".join("-" if np.isnan(value) else f"{value:.3f}" for value in means[1:-1])
        print(f"| {name} | {shape} | {means[0]:.0f} | {cells} | {means[-1]:.1f} |", flush=True)


def _mean(values: list[float]) -> str:
    return f"{np.mean(values):.2f}"


def plant(rows: int, shortest: int, longest: int, seeds: list[int]) -> tuple[list[float], ...]:
    """Agreement of trained models with 3 categories given and with "auto", and seconds of CPU of each."""
    given, auto, seconds = [], [], []
    for seed in seeds:
        planted = draw_channels(rows, seed=seed, shortest=shortest, longest=longest)
        for found, categories in ((given, 3), (auto, "auto")):
            started = time.process_time()
            frozen = train(planted.table, seed, {"categories": categories})[1]
            grouping = [feature["category"] for feature in frozen.grouping["features"]]
            found.append(adjusted_rand_score(planted.category, grouping))
            seconds.append(time.process_time() - started)
    return given, auto, seconds


def start(rows: int, shortest: int, longest: int, seeds: list[int]) -> tuple[list[float], ...]:
    """Agreement of the groupings that runs start from, with 3 categories given and with "auto"."""
    given, auto = [], []
    for seed in seeds:
        planted = draw_channels(rows, seed=seed, shortest=shortest, longest=longest)
        for found, categories in ((given, 3), (auto, "auto")):
            config = configure(seed, {"categories": categories})
            run = TrainingRun.start(planted.table, config)
            category = planted.category[run.cleaner.active]
            found.append(adjusted_rand_score(category, run.categories.grouping))
    return given, auto


def configure(seed: int, model: dict[str, object]) -> RunConfig:
    """Settings of a run whose test rows are 30%."""
    training = {"seed": seed, "device": "cpu", "test_fraction": 0.3}
    return RunConfig.from_dict({"model": model, "training": training})


def train(table: FeatureTable, seed: int, model: dict[str, object]) -> tuple[TrainingRun, FrozenModel]:
    """Train to the end on one thread."""
    run = TrainingRun.start(table, configure(seed, model))
    while not run.is_finished:
        run.train_epoch()
    return run, run.freeze()


def measure(real: RealSeries, seed: int) -> list[float]:
    """Bits, three errors, three probes, how much of the length is told, seconds of CPU."""
    started, own = time.process_time(), real.values
    names = tuple(f"s/{channel}" for channel in range(own.num_channels))
    table = FeatureTable(np.empty((own.num_rows, 0), np.float32), names, {"s": names}, others={"s": own})
    run, frozen = train(table, seed, {})
    seconds = time.process_time() - started
    split, descriptors = table.split(run.config.training), frozen.cleaner.normalize(table.numbers)
    codes = OnnxEncoder(frozen.encoder, frozen.doubt).encode(table.values, table.others).codes
    bits = int(frozen.report["codebook"]["bits_per_row"])
    of_descriptors = coded(descriptors, split.train, bits, seed)
    of_rows = coded(
        StandardScaler().fit(real.padded[split.train]).transform(real.padded), split.train, bits, seed
    )
    told = Ridge(alpha=1).fit(of_rows[split.train], descriptors[split.train]).predict(of_rows)
    one_hot = (
        OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(codes[split.train]).transform(codes)
    )
    inputs = (one_hot, of_descriptors, of_rows)
    probes = [probe(each, real.labels, split.train, split.test) for each in inputs]
    length = np.nan
    if isinstance(own, Series) and np.ptp(own.lengths):
        ridge = Ridge(alpha=1).fit(one_hot[split.train], own.lengths[split.train])
        length = ridge.score(one_hot[split.test], own.lengths[split.test])
    errors = [
        float(
            np.square(each[split.test] - descriptors[split.test]).sum(axis=1).mean()
            / len(frozen.cleaner.active)
        )
        for each in (of_descriptors, told)
    ]
    return [bits, frozen.report["reconstruction_error"]["test"], *errors, *probes, length, seconds]


def coded(
    rows: NDArray[np.float32], train_rows: NDArray[np.int64], bits: int, seed: int
) -> NDArray[np.float32]:
    """All rows after the way through principal components with scalar codes.

    Rows of more numbers than there are rows are turned first, into as many: that changes no distance.
    """
    rows, turn = rows.astype(np.float32), None
    if rows.shape[1] > len(rows):
        left, sizes, turn = np.linalg.svd(rows, full_matrices=False)
        rows = left * sizes
    found = principal_components(rows[train_rows], rows, bits=bits, seed=seed)
    return found if turn is None else found @ turn


def probe(
    inputs: NDArray[np.float32],
    labels: NDArray[np.str_],
    fitted: NDArray[np.int64],
    judged: NDArray[np.int64],
) -> float:
    """Accuracy of a linear probe on test rows."""
    scaled = StandardScaler().fit(inputs[fitted]).transform(inputs)
    found = LogisticRegression(C=0.1, max_iter=300).fit(scaled[fitted], labels[fitted])
    return float(found.score(scaled[judged], labels[judged]))


if __name__ == "__main__":
    main()
