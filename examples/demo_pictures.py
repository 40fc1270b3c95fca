"""Draws what the demonstration saw; one file for each picture."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from catvq_client.records import Assignment, Grouping, Metrics
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from examples.digits import SIDE

Images = npt.NDArray[np.float32]


def draw_assignments(path: Path, before: Assignment, after: Assignment, grouping: Grouping) -> None:
    """Draw the soft assignment after the first epoch and as it was frozen, sorted by frozen category."""
    order = sorted(range(len(grouping.features)), key=lambda index: grouping.features[index].category)
    families = list(dict.fromkeys(feature.family for feature in grouping.features))
    figure = Figure(figsize=(9, 9), layout="constrained")
    strip, left, right = figure.subplots(1, 3, width_ratios=(0.6, 4, 4))
    colours = np.array([[families.index(grouping.features[index].family)] for index in order])
    strip.imshow(colours, aspect="auto", cmap="tab10", vmin=0, vmax=9, interpolation="nearest")
    strip.set(title="family", xticks=[], ylabel="features, sorted by their frozen category")
    for axes, found, title in ((left, before, f"after epoch {before.epoch}"), (right, after, "frozen")):
        matrix = np.array(found.matrix)[order]
        shown = axes.imshow(matrix, aspect="auto", vmin=0, vmax=1, cmap="magma", interpolation="nearest")
        axes.set(title=title, xlabel="category", yticks=[], xticks=range(matrix.shape[1]))
    figure.colorbar(shown, ax=[left, right], label="share of the feature", shrink=0.5)
    handles = [_swatch(index, name) for index, name in enumerate(families)]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(families))
    figure.savefig(path, dpi=110)


def draw_temperature(path: Path, metrics: Metrics) -> None:
    """Draw the temperature and how undecided the assignment was."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    _plot(axes, metrics, "temperature", "temperature", "tab:red")
    _plot(axes, metrics, "assignment_entropy", "entropy of the assignment", "tab:blue")
    axes.set(xlabel="epoch", title="Temperature of the learnable job", ylim=(0, None))
    axes.legend()
    figure.savefig(path, dpi=110)


def draw_losses(path: Path, runs: Mapping[str, Metrics]) -> None:
    """Draw the reconstruction error of each job, on training and on validation rows."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for colour, (name, metrics) in zip(("tab:blue", "tab:orange"), runs.items(), strict=True):
        _plot(axes, metrics, "reconstruction", f"{name}, training rows", colour, "--")
        _plot(axes, metrics, "validation", f"{name}, validation rows", colour)
    axes.set(xlabel="epoch", ylabel="error relative to the variance", title="Reconstruction", ylim=(0, None))
    axes.legend()
    figure.savefig(path, dpi=110)


def draw_reconstructions(path: Path, columns: Mapping[str, Images]) -> None:
    """Draw the pixels of some rows: as they are, and as each model's codes give them back.

    Args:
        path: Where to.
        columns: Pixel values [rows, 64] below their title.
    """
    count = len(next(iter(columns.values())))
    figure = Figure(figsize=(count, 1.15 * len(columns)), layout="constrained")
    grid = figure.subplots(len(columns), count)
    for row, (title, images) in zip(grid, columns.items(), strict=True):
        for axes, image in zip(row, images, strict=True):
            axes.imshow(image.reshape(SIDE, SIDE), cmap="gray_r", vmin=0, vmax=16)
            axes.set(xticks=[], yticks=[])
        row[0].set_ylabel(title)
    figure.savefig(path, dpi=110)


def _plot(axes: Axes, metrics: Metrics, column: str, label: str, colour: str, style: str = "-") -> None:
    points = [(point["epoch"], point[column]) for point in metrics.points if point[column] is not None]
    if points:
        axes.plot(*zip(*points, strict=True), style, color=colour, label=label)


def _swatch(index: int, label: str) -> Patch:
    return Patch(color=f"C{index}", label=label)
