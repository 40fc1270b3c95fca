"""Trains on pupils' scores and on digits, learnable against static, and shows what was learnt: `make demo`.

Everything goes through the service's HTTP interface, on a service of its own that is stopped at the end, or
with `--keep` at Ctrl-C.
"""

import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt
from catvq_client import CatvqError, Client
from catvq_client.commands.models import grouping_rows
from catvq_client.terminal.display import number, print_table
from catvq_client.terminal.following import follow
from rich.console import Console

from examples.abilities import find_abilities
from examples.demo_comparison import Run, compare
from examples.demo_pictures import draw_assignments, draw_losses, draw_reconstructions, draw_temperature
from examples.demo_service import ENDING_SIGNALS, ServiceError, running_service
from examples.digits import DigitTable, load_digit_table

OUTPUT = Path(__file__).parents[1] / "demo-output"
SERVICE = OUTPUT / "service"  # data and logs of the last demonstration
LATER = "http://127.0.0.1:8000"  # where `make up` listens
KEEP = "--keep"
EPOCHS = 40
CATEGORIES = 10
SEED = 0
HOLD_BACK_EVERY = 6  # every sixth row is not uploaded: neither job can have seen it
SHOWN_ROWS = 10
MODES = ("learnable", "static")

console = Console(highlight=False, soft_wrap=True)


class DemoError(Exception):
    """Something that the demonstration promises did not hold."""


def main() -> int:
    """Run the demonstration and return the exit status."""
    for ending in ENDING_SIGNALS:
        signal.signal(ending, _interrupt)
    shutil.rmtree(SERVICE, ignore_errors=True)
    SERVICE.mkdir(parents=True)
    try:
        show(SERVICE, is_kept=KEEP in sys.argv[1:])
    except (DemoError, ServiceError, CatvqError) as error:
        console.print(f"demo: FAILED: {error}", markup=False, style="red")
        return 1
    except KeyboardInterrupt:
        console.print("demo: interrupted, everything is stopped")
        return 130
    return 0


def show(directory: Path, *, is_kept: bool) -> None:
    """Run every step, say what came out in one sentence, and where to look at it."""
    started = time.monotonic()
    table = load_digit_table()
    is_held_back = np.arange(len(table.values)) % HOLD_BACK_EVERY == 0
    held_back = table.values[is_held_back]
    console.rule("A service of its own")
    with running_service(directory) as url, Client(url) as client:
        console.print(f"catvq serves on {url}")
        console.rule("Nine tests, three published abilities")
        abilities = find_abilities(client, console)
        console.print(abilities, markup=False)
        runs = [*train(client, table, table.values[~is_held_back], held_back)]
        learnable, static = runs
        console.rule("What was learnt")
        print_table(("", "category", "size", "families", "features"), grouping_rows(learnable.grouping))
        console.rule("Learnable against static")
        verdict = compare(learnable, static, console)
        console.rule("Codes")
        show_codes(client, table, held_back, learnable)
        draw(client, table, held_back, runs)
        console.print(f"pictures are in {OUTPUT}")
        features = len(learnable.grouping.features)
        summary = f"{abilities}; {features} features of digits in {CATEGORIES} categories; {verdict}"
        console.print(f"demo: OK after {time.monotonic() - started:.0f} s: {summary}", markup=False)
        if is_kept:
            keep(f"{url}/#/models/{learnable.model.id}")
            return
    data = directory.relative_to(OUTPUT.parent) / "data"
    console.print(f"to look at it: make up DATA={data}, and open {LATER}/#/models/{learnable.model.id}")


def keep(address: str) -> None:
    """Say where the model can be looked at, and wait for Ctrl-C."""
    console.print(f"look at it on {address}; Ctrl-C ends it")
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("the service is stopped")


def train(
    client: Client, table: DigitTable, rows: npt.NDArray[np.float32], held_back: npt.NDArray[np.float32]
) -> Sequence[Run]:
    """Upload the digits, run both jobs and collect what they left behind."""
    dataset = client.datasets.upload(rows, name="digits", columns=table.columns, families="prefix:_")
    sizes = ", ".join(f"{name} {family.features}" for name, family in dataset.families.items())
    console.print(f"{dataset.id}: {dataset.rows} digits, {len(dataset.features)} features ({sizes})")
    for warning in dataset.warnings:
        console.print(f"  {warning.detail}", markup=False, style="dim")
    console.rule("Training")
    requests = [job_request(dataset.id, mode) for mode in MODES]
    jobs = [client.jobs.submit(request) for request in requests]
    for mode, job in zip(MODES, jobs, strict=True):
        console.print(f"{mode}: {job.id}")
        ended = follow(client, job.id, console)
        if ended.status != "succeeded":
            raise DemoError(f"the {mode} job {ended.status}: {ended.reason}")
    return [collect(client, mode, job.id, held_back) for mode, job in zip(MODES, jobs, strict=True)]


def job_request(dataset: str, mode: str) -> dict[str, Any]:
    """Ask for the same run in either mode."""
    return {
        "dataset": dataset,
        "name": f"digits, {mode}",
        "model": {"categories": CATEGORIES},
        "assignment": {"mode": mode},
        "training": {"epochs": EPOCHS, "seed": SEED},
        "report": {"baselines": False},  # the demo makes a comparison of its own
    }


def collect(client: Client, mode: str, job_id: str, held_back: npt.NDArray[np.float32]) -> Run:
    """Fetch a run's results and check what every result must satisfy."""
    job = client.jobs.get(job_id)
    if job.model is None or job.started_at is None or job.finished_at is None:
        raise DemoError(f"the {mode} job left no model")
    model = client.models.get(job.model)
    run = Run(
        mode=mode,
        seconds=(job.finished_at - job.started_at).total_seconds(),
        before=client.jobs.assignment(job_id, epoch=1),
        metrics=client.jobs.metrics(job_id),
        model=model,
        report=client.models.report(model.id).document(),
        grouping=client.models.grouping(model.id),
        held_back=client.models.encodings(model.id, held_back),
    )
    grouped = sorted(name for category in run.grouping.categories for name in category.features)
    if grouped != sorted(model.features):
        raise DemoError(f"the {mode} grouping does not hold every feature once")
    if not np.allclose(np.sum(run.before.matrix or [[0]], axis=1), 1, atol=1e-4):
        raise DemoError(f"the {mode} assignment's rows do not sum to 1")
    return run


def show_codes(client: Client, table: DigitTable, held_back: npt.NDArray[np.float32], run: Run) -> None:
    """Encode rows in binary and print the first ones; JSON must have given the same codes."""
    codes = client.models.encode(run.model.id, held_back)
    if codes.tolist() != [list(row) for row in run.held_back.codes]:
        raise DemoError("binary and JSON encodings differ")
    digits = table.labels[::HOLD_BACK_EVERY]
    rows = [
        (digit, number(error), " ".join(f"{code:3}" for code in row))
        for digit, error, row in zip(digits, run.held_back.reconstruction_error, codes, strict=True)
    ]
    console.print(
        f"each digit is {codes.shape[1]} codes: {CATEGORIES} categories x {run.model.levels} levels"
    )
    print_table(("digit", "error", "codes"), rows[:5])


def draw(client: Client, table: DigitTable, held_back: npt.NDArray[np.float32], runs: Sequence[Run]) -> None:
    """Write the pictures."""
    OUTPUT.mkdir(exist_ok=True)
    learnable = runs[0]
    frozen = client.models.assignment(learnable.model.id)
    draw_assignments(OUTPUT / "assignment.png", learnable.before, frozen, learnable.grouping)
    draw_temperature(OUTPUT / "temperature.png", learnable.metrics)
    draw_losses(OUTPUT / "losses.png", {run.mode: run.metrics for run in runs})
    count = len(table.columns_of("pixels"))  # they are the first columns
    images = {"original": held_back[:SHOWN_ROWS, :count]}
    for run in runs:
        codes = np.array(run.held_back.codes[:SHOWN_ROWS])
        images[run.mode] = client.models.decode(run.model.id, codes)[:, :count]
    draw_reconstructions(OUTPUT / "reconstructions.png", images)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
