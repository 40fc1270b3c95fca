"""Shows a job's progress until it ends: a bar on a terminal, else a line per epoch."""

from datetime import timedelta

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from catvq_client.records import Job
from catvq_client.synchronous.client import Client
from catvq_client.terminal.display import number
from catvq_client.terminal.exit_codes import ExitCode
from catvq_client.terminal.session import say

SHOWN_LOSSES = ("total", "reconstruction", "validation")
BAR_WIDTH = 12  # what 80 columns leave, beside the longest phase and numbers


def follow(client: Client, job_id: str, console: Console) -> Job:
    """Show a job's progress until it has ended, and return the job.

    Ctrl-C ends the command, not the job; it says how to come back.
    """
    try:
        if console.is_terminal:
            return _follow_with_bar(client, job_id, console)
        return _follow_plainly(client, job_id, console)
    except KeyboardInterrupt:
        say(
            f"\n{job_id} goes on; come back with `catvq status {job_id} --follow`, "
            f"end it with `catvq cancel {job_id}`"
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def phase_of(job: Job) -> str:
    """Return what a job is doing, in a word or two."""
    if job.status == "queued" and job.queue and job.queue.position:
        return f"queued, {job.queue.position}."
    if job.status != "running" or job.progress is None:
        return job.status
    if job.kind == "encoding":
        return "encoding"
    epoch, step = job.progress.epoch or 0, job.progress.step or 0
    if epoch == 0:
        return "searching" if step else "grouping"
    return "training" if epoch < (job.progress.epochs or 0) else "freezing"


def measures(job: Job) -> str:
    """Format a job's temperature and losses in one line."""
    parts = [] if job.temperature is None else [f"temperature {number(job.temperature)}"]
    losses = job.losses or {}
    parts += [f"{name} {number(losses[name])}" for name in SHOWN_LOSSES if losses.get(name) is not None]
    return "  ".join(parts)


def _follow_with_bar(client: Client, job_id: str, console: Console) -> Job:
    columns = (
        TextColumn("{task.fields[phase]}", markup=False),
        BarColumn(bar_width=BAR_WIDTH),
        TextColumn("{task.fields[rest]}", markup=False),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=1.0, phase="", rest="")
        for job in client.jobs.watch(job_id):
            fraction = job.progress.fraction if job.progress else None
            progress.update(task, completed=fraction or 0.0, phase=phase_of(job), rest=_rest(job))
    return job


def _follow_plainly(client: Client, job_id: str, console: Console) -> Job:
    shown = ""
    for job in client.jobs.watch(job_id):
        if shown != (place := f"{phase_of(job)}  {_epoch(job)}"):
            shown = place
            console.print(f"{place}  {measures(job)}".rstrip(), markup=False, highlight=False)
    return job


def _rest(job: Job) -> str:
    """Return what stands right of the bar: epoch, time left, temperature and error, where known."""
    losses = job.losses or {}
    error = losses.get("validation")
    error = losses.get("reconstruction") if error is None else error
    left = job.progress.eta_seconds if job.progress and not job.is_terminal else None
    parts = [
        _epoch(job),
        None if left is None else f"{timedelta(seconds=round(left))} left",
        None if job.temperature is None else f"T {job.temperature:.3g}",
        None if error is None else f"error {error:.3g}",
    ]
    return "  ".join(part for part in parts if part)


def _epoch(job: Job) -> str:
    progress = job.progress
    return f"epoch {progress.epoch or 0}/{progress.epochs or '?'}" if progress else "epoch 0/?"
