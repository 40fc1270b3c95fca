"""Compares the demonstration's two runs, and words the result whichever of them wins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from catvq_client.records import Assignment, Encodings, Grouping, Metrics, Model
from catvq_client.terminal.display import print_table
from rich.console import Console


@dataclass(frozen=True)
class Run:
    """One job and what it left behind."""

    mode: str
    seconds: float
    before: Assignment
    metrics: Metrics
    model: Model
    report: dict[str, Any]
    grouping: Grouping
    held_back: Encodings


def compare(learnable: Run, static: Run, console: Console) -> str:
    """Print both runs side by side and return the honest verdict in words."""
    print_table(("", learnable.mode, static.mode), [*_measures(learnable, static)])
    pairs = zip(learnable.grouping.features, static.grouping.features, strict=True)
    moved = sum(new.category != old.category for new, old in pairs)
    console.print(
        f"{moved} features are in another category than clustering, which static keeps, put them in"
    )
    static_errors = errors_of(static)
    difference = errors_of(learnable) - static_errors
    noise = difference.std(ddof=1) / np.sqrt(len(difference))
    percent = 100 * difference.mean() / static_errors.mean()
    margin = 100 * 2 * noise / static_errors.mean()
    measured = f"{percent:+.1f}% error on {len(difference)} held-back digits (chance: ±{margin:.1f}%)"
    if abs(difference.mean()) < 2 * noise:
        verdict = f"no difference between learnable and static beyond chance: {measured}"
    else:
        better = "better" if difference.mean() < 0 else "worse"
        verdict = f"learnable rebuilds {better} than static: {measured}"
    console.print(f"{verdict}. This is one seed, so it says nothing of others.", markup=False)
    return verdict


def errors_of(run: Run) -> npt.NDArray[np.float64]:
    """Return the reconstruction error of each row that was never uploaded."""
    return np.array(run.held_back.reconstruction_error, np.float64)


def _measures(learnable: Run, static: Run) -> Sequence[tuple[object, ...]]:
    def row(title: str, *path: str) -> tuple[object, ...]:
        values = []
        for run in (learnable, static):
            value: Any = run.model.metrics
            for key in path:
                value = value[key]
            values.append(value)
        return (title, *values)

    held_back = [errors_of(run).mean() for run in (learnable, static)]
    used_bits = [run.report["codebook"]["used_bits_per_row"] for run in (learnable, static)]
    return (
        row("error, training rows", "reconstruction_error", "train"),
        row("error, test rows of the job", "reconstruction_error", "test"),
        ("error, rows never uploaded", *held_back),
        row("bits a row", "bits_per_row"),
        ("bits a row that carry something", *used_bits),
        row("perplexity of the codebooks", "perplexity"),
        row("codes in use", "usage"),
        row("categories in use", "active_categories"),
        ("seconds, the search for the assignment included", learnable.seconds, static.seconds),
    )
