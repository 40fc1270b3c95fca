"""Commands `catvq status`, `assignment`, `metrics` and `events`."""

import json
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console

from catvq_client.calls import DEFAULT_URL
from catvq_client.records import Assignment, Job
from catvq_client.synchronous.client import Client
from catvq_client.terminal.command import Output, command, fields_of, table_of
from catvq_client.terminal.display import number, print_table
from catvq_client.terminal.exit_codes import ExitCode
from catvq_client.terminal.following import follow, measures
from catvq_client.terminal.session import JsonOption, UrlOption, connected, say

JobArgument = Annotated[str, typer.Argument(help="Id of a job.")]


@command
def status(
    client: Client,
    job: Annotated[str | None, typer.Argument(help="Id of a job; by default all jobs are listed.")] = None,
    *,
    is_followed: Annotated[
        bool, typer.Option("--follow", help="Show progress until the job has ended.")
    ] = False,
) -> Output:
    """Show one job, or list all jobs."""
    if job is None:
        columns = ("id", "name", "status", "epoch", "temperature, losses", "model")
        return table_of(client.jobs.list(), columns, _row)
    one = follow(client, job, Console(stderr=True)) if is_followed else client.jobs.get(job)
    has_failed = is_followed and one.status in {"failed", "cancelled"}
    return replace(fields_of(one, _fields(one)), exit_code=ExitCode.JOB_FAILED if has_failed else 0)


@command
def assignment(client: Client, job: JobArgument) -> Output:
    """Show the two most probable categories of each feature."""
    found = client.jobs.assignment(job)
    if found.matrix is None or found.features is None or found.categories is None:
        return Output(found.document, lambda: say(f"{job} has no assignment yet"))
    columns = ("feature", "category", "share", "runner-up", "share")
    title = f"epoch {found.epoch}, temperature {number(found.temperature)}"
    return Output(found.document, lambda: print_table(columns, _shares(found), title))


@command
def metrics(
    client: Client,
    job: JobArgument,
    *,
    max_points: Annotated[int, typer.Option("--max-points", min=2, help="Evenly spaced epochs.")] = 20,
) -> Output:
    """Show what was measured after each epoch."""
    found = client.jobs.metrics(job, max_points=max_points)
    if not found.points:
        return Output(found.document, lambda: say(f"{job} has no metrics yet"))
    columns = [name for name in found.columns if name not in {"step", "time"}]
    rows = ([point.get(name) for name in columns] for point in found.points)
    return Output(found.document, lambda: print_table(columns, rows))


def events(
    job: JobArgument,
    url: UrlOption = DEFAULT_URL,
    *,
    is_followed: Annotated[bool, typer.Option("--follow", help="Follow until the job has ended.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the events of a job; as JSON, one line for each."""
    with connected(url) as client:
        for event in client.jobs.follow(job) if is_followed else client.jobs.events(job):
            data = json.dumps(event.data if not as_json else event.document(), ensure_ascii=False)
            typer.echo(data if as_json else f"{event.time:%Y-%m-%d %H:%M:%S}  {event.type}  {data}")


def _shares(found: Assignment) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    names = found.categories or ()
    for feature, shares in zip(found.features or (), found.matrix or (), strict=True):
        order = sorted(range(len(shares)), key=lambda index: -shares[index])[:2]
        pairs = [cell for index in order for cell in (names[index], shares[index])]
        rows.append((feature, *pairs, *[None] * (4 - len(pairs))))
    return rows


def _row(job: Job) -> tuple[object, ...]:
    return job.id, job.name, job.status, _epoch(job), measures(job), job.model


def _epoch(job: Job) -> str | None:
    progress = job.progress
    return None if progress is None or progress.epoch is None else f"{progress.epoch}/{progress.epochs}"


def _fields(job: Job) -> dict[str, object]:
    summary = job.assignment
    fields: dict[str, object] = {
        "job": job.id,
        "name": job.name,
        "status": job.status,
        "reason": job.reason,
        "position in the queue": job.queue.position if job.queue else None,
        "epoch": _epoch(job),
        "seconds left": job.progress.eta_seconds if job.progress else None,
        "temperature": job.temperature,
    }
    fields |= {f"loss: {name}": value for name, value in (job.losses or {}).items()}
    if summary is not None:
        fields |= {f"assignment: {name}": value for name, value in summary.document().items()}
    return {**fields, "dataset": job.dataset, "model": job.model}
