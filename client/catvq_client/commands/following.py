"""Shows a job's progress until it ends: a bar on a terminal, else a line per epoch."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from catvq_client.commands.display import number
from catvq_client.records import Job
from catvq_client.synchronous.client import Client

SHOWN_LOSSES = ("total", "reconstruction", "validation")


def follow(client: Client, job_id: str, console: Console) -> Job:
    """Show a job's progress until it has ended, and return the job."""
    if console.is_terminal:
        return _follow_with_bar(client, job_id, console)
    return _follow_plainly(client, job_id, console)


def measures(job: Job) -> str:
    """Format a job's temperature and losses in one line."""
    parts = [] if job.temperature is None else [f"temperature {number(job.temperature)}"]
    losses = job.losses or {}
    parts += [f"{name} {number(losses[name])}" for name in SHOWN_LOSSES if losses.get(name) is not None]
    return "  ".join(parts)


def _follow_with_bar(client: Client, job_id: str, console: Console) -> Job:
    columns = (
        TextColumn("{task.fields[status]:<10}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[epoch]}", markup=False),
        TextColumn("{task.fields[measures]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=1.0, status="", epoch="", measures="")
        for job in client.jobs.watch(job_id):
            fraction = job.progress.fraction if job.progress else None
            progress.update(
                task,
                completed=fraction or 0.0,
                status=job.status,
                epoch=_epoch(job),
                measures=measures(job),
            )
    return job


def _follow_plainly(client: Client, job_id: str, console: Console) -> Job:
    shown = ""
    for job in client.jobs.watch(job_id):
        if shown != (place := f"{job.status}  {_epoch(job)}"):
            shown = place
            console.print(f"{place}  {measures(job)}".rstrip(), markup=False, highlight=False)
    return job


def _epoch(job: Job) -> str:
    progress = job.progress
    return f"epoch {progress.epoch or 0}/{progress.epochs or '?'}" if progress else "epoch 0/?"
