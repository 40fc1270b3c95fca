"""One job on two processes: how long a step takes at several sizes, and how near its codes are to one's.

A step has random weights and random rows; whole runs are of three tables, compared seed by seed.
"""

import argparse
import time

import numpy as np
import psutil
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from catvq.config import RunConfig
from catvq.features.table import FeatureTable
from catvq.grouping.categories import Categories
from catvq.training.run import TrainingRun
from catvq.training.stage.build import build_learner
from catvq.training.stage.ranks import Ranks
from catvq.training.stage.trainer import Learner

RANKS = 2
TABLES = {"wine": load_wine, "breast_cancer": load_breast_cancer, "digits": load_digits}
# Features, categories, rows of a batch, width of the embedding; the decoder is four times as wide.
SIZES = [(298, 10, 1024, 64), (1000, 32, 1024, 64), (1000, 32, 2048, 64)]
WARM_STEPS, STEPS = 1, 5
CPU = torch.device("cpu")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=[], help="of whole runs, instead of steps")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for seed in arguments.seeds:
        for name in TABLES:
            print(compare_runs(name, seed), flush=True)
    for size in [] if arguments.seeds else SIZES:
        for is_hard in (False, True):
            print(time_steps(*size, is_hard=is_hard), flush=True)


def time_steps(features: int, categories: int, rows: int, width: int, *, is_hard: bool) -> str:
    """A line of the table: by one process with one thread and with two, and by two processes."""
    learner, batch = build(features, categories, width, is_hard=is_hard), torch.randn(rows, features)
    sent = sum(own.numel() for name, own in learner.model.named_parameters() if "partial" not in name)
    one = time_step(learner, batch)
    torch.set_num_threads(RANKS)
    threads = time_step(learner, batch)
    ranks = Ranks(RANKS)
    learner.model_terms = ranks.model_terms
    two = time_step(learner, batch)
    ranks.close()
    torch.set_num_threads(1)
    kind = "hard" if is_hard else "soft"
    line = f"| {features:,} | {categories} | {rows:,} | {width} | {kind} | {sent / 1e6:.2f} M "
    for wall, own, others in (one, threads, two):
        line += f"| {1000 * wall:.0f} ({1000 * own:.0f}{f', {1000 * others:.0f}' if others else ''}) "
    return line + f"| {one[0] / two[0]:.2f} | {one[1] / max(two[1:]):.2f} |"


def build(features: int, categories: int, width: int, *, is_hard: bool) -> Learner:
    """A learner with random weights, in groups of equal size."""
    config = {"model": {"categories": categories, "embedding_dim": width, "hidden_dim": 2 * width}}
    grouping = np.arange(features) % categories
    allowed = torch.ones(features, categories, dtype=torch.bool)
    names = tuple(map(str, range(categories)))
    learner = build_learner(
        RunConfig.from_dict(config),
        Categories(names, grouping, allowed, np.eye(categories, dtype=np.float32)[grouping]),
        family_one_hot=torch.ones(features, 1),
        rows=100_000,
        device=CPU,
    )
    if is_hard:
        learner.harden()
    return learner


def time_step(learner: Learner, batch: torch.Tensor) -> tuple[float, float, float]:
    """Seconds of a step, at least, and of CPU in the mean: in this process, and in the others."""
    seconds = []
    for step in range(WARM_STEPS + STEPS):
        if step == WARM_STEPS:
            before = spent()
        started = time.perf_counter()
        learner.step(batch, progress=0.0)
        seconds.append(time.perf_counter() - started)
    own, others = ((now - then) / STEPS for now, then in zip(spent(), before, strict=True))
    return min(seconds[WARM_STEPS:]), own, others


def spent() -> tuple[float, float]:
    """Seconds of CPU so far, of this process and of those that it has started."""
    times = [process.cpu_times() for process in psutil.Process().children()]
    return time.process_time(), sum(each.user + each.system for each in times)


def compare_runs(name: str, seed: int) -> str:
    """A line of the table: the same run by one process and by two; which codes are equal, and both errors."""
    loaded = TABLES[name]()
    names = tuple(f"f{column}" for column in range(loaded.data.shape[1]))
    table = FeatureTable(loaded.data.astype(np.float32), names, {"all": names})
    models = []
    for devices in (1, RANKS):
        config = RunConfig.from_dict({"training": {"seed": seed, "devices": devices}})
        run = TrainingRun.start(table, config)
        while not run.is_finished:
            run.train_epoch()
        models.append(run.freeze())
    one, two = models
    rows = torch.from_numpy(one.cleaner.normalize(table.values))
    equal = float((one.weights.encode(rows) == two.weights.encode(rows)).float().mean())
    members = [[category["features"] for category in model.grouping["categories"]] for model in models]
    errors = [model.report["reconstruction_error"]["test"] for model in models]
    grouping = "equal" if members[0] == members[1] else "different"
    return f"| {name} | {seed} | {grouping} | {equal:.2%} | {errors[0]:.6f} | {errors[1]:.6f} |"


if __name__ == "__main__":
    main()
