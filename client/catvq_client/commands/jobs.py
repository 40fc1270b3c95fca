"""Commands `catvq status`, `assignment`, `metrics` and `events`."""

import json
from typing import Annotated

import typer
from rich.console import Console

from catvq_client.calls import DEFAULT_URL
from catvq_client.records import Assignment, Job
from catvq_client.terminal.display import number, print_fields, print_json, print_table
from catvq_client.terminal.exit_codes import ExitCode
from catvq_client.terminal.following import follow, measures
from catvq_client.terminal.session import JsonOption, UrlOption, connected, say

JobArgument = Annotated[str, typer.Argument(help="Id of a job.")]


def status(
    job: Annotated[str | None, typer.Argument(help="Id of a job; by default all jobs are listed.")] = None,
    *,
    is_followed: Annotated[
        bool, typer.Option("--follow", help="Show progress until the job has ended.")
    ] = False,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """Show one job, or list all jobs."""
    with connected(url) as client:
        if job is None:
            found = client.jobs.list()
            if as_json:
                print_json([each.document() for each in found])
            else:
                print_table(
                    ("id", "name", "status", "epoch", "temperature, losses", "model"), map(_row, found)
                )
            return
        one = follow(client, job, Console(stderr=True)) if is_followed else client.jobs.get(job)
        if as_json:
            print_json(one.document())
        else:
            print_fields(_fields(one))
        if is_followed and one.status in {"failed", "cancelled"}:
            raise typer.Exit(ExitCode.JOB_FAILED)


def assignment(job: JobArgument, url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """Show the two most probable categories of each feature."""
    with connected(url) as client:
        found = client.jobs.assignment(job)
        if as_json:
            print_json(found.document())
        elif found.matrix is None or found.features is None or found.categories is None:
            say(f"{job} has no assignment yet")
        else:
            title = f"epoch {found.epoch}, temperature {number(found.temperature)}"
            print_table(("feature", "category", "share", "runner-up", "share"), _shares(found), title)


def metrics(
    job: JobArgument,
    url: UrlOption = DEFAULT_URL,
    *,
    max_points: Annotated[int, typer.Option("--max-points", min=2, help="Evenly spaced epochs.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show what was measured after each epoch."""
    with connected(url) as client:
        found = client.jobs.metrics(job, max_points=max_points)
        if as_json:
            print_json(found.document())
        elif not found.points:
            say(f"{job} has no metrics yet")
        else:
            columns = [name for name in found.columns if name not in {"step", "time"}]
            print_table(columns, ([point.get(name) for name in columns] for point in found.points))


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
