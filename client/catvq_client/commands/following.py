"""Follows a job to its end: a bar on a terminal, a line for each epoch elsewhere."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from catvq_client.client import Client
from catvq_client.commands.display import number
from catvq_client.records import Job

SHOWN_LOSSES = ("total", "reconstruction", "validation")


def follow(client: Client, job_id: str, console: Console) -> Job:
    """Show a job until it has ended and return it as it ended."""
    return (
        _follow_with_bar(client, job_id, console)
        if console.is_terminal
        else _follow_plainly(client, job_id, console)
    )


def measures(job: Job) -> str:
    """Write a job's temperature and losses in one line."""
    parts = [] if job.temperature is None else [f"temperature {number(job.temperature)}"]
    losses = job.losses or {}
    parts += [f"{name} {number(losses[name])}" for name in SHOWN_LOSSES if losses.get(name) is not None]
    return "  ".join(parts)


def _follow_with_bar(client: Client, job_id: str, console: Console) -> Job:
    columns = (
        TextColumn("{task.fields[status]:<10}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[measures]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=None, status="", measures="")
        for job in client.jobs.watch(job_id):
            epoch, epochs = _epochs(job)
            progress.update(task, completed=epoch, total=epochs, status=job.status, measures=measures(job))
    return job


def _follow_plainly(client: Client, job_id: str, console: Console) -> Job:
    shown: tuple[str, int] | None = None
    for job in client.jobs.watch(job_id):
        epoch, epochs = _epochs(job)
        if shown != (job.status, epoch):
            shown = (job.status, epoch)
            line = f"{job.status}  epoch {epoch}/{epochs or '?'}  {measures(job)}"
            console.print(line.rstrip(), markup=False, highlight=False)
    return job


def _epochs(job: Job) -> tuple[int, int | None]:
    progress = job.progress
    return (progress.epoch or 0, progress.epochs) if progress else (0, None)
