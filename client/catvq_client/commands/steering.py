"""Commands `catvq cancel`, `pause`, `resume`, `finish`, `retry` and `temperature`."""

from typing import Annotated

import typer

from catvq_client.commands.jobs import JobArgument
from catvq_client.records import Job
from catvq_client.synchronous.client import Client
from catvq_client.terminal.command import Output, command, fields_of
from catvq_client.terminal.exit_codes import ExitCode
from catvq_client.terminal.session import fail, say


@command
def cancel(client: Client, job: JobArgument) -> Output:
    """Cancel a job."""
    return _shown(client.jobs.cancel(job))


@command
def pause(client: Client, job: JobArgument) -> Output:
    """Pause a job; its state is saved until it is resumed."""
    return _shown(client.jobs.pause(job))


@command
def resume(client: Client, job: JobArgument) -> Output:
    """Resume a paused job where it stopped."""
    return _shown(client.jobs.resume(job))


@command
def finish(client: Client, job: JobArgument) -> Output:
    """Stop training early and publish the model."""
    return _shown(client.jobs.finish(job))


@command
def retry(client: Client, job: JobArgument) -> Output:
    """Continue a failed or cancelled job from its last checkpoint."""
    return _shown(client.jobs.retry(job))


@command
def temperature(
    client: Client,
    job: JobArgument,
    *,
    is_held: Annotated[bool, typer.Option("--hold", help="Hold the current value.")] = False,
    value: Annotated[float | None, typer.Option("--set", help="Hold this value.")] = None,
    is_released: Annotated[bool, typer.Option("--release", help="Return to the schedule.")] = False,
) -> Output:
    """Show a job's temperature and its schedule, or change it."""
    is_to_be_held = is_held or value is not None
    if is_released and is_to_be_held:
        fail("--release cannot be combined with --hold or --set", ExitCode.USAGE)
    if is_released:
        return fields_of(client.jobs.release_temperature(job))
    return fields_of(
        client.jobs.hold_temperature(job, value) if is_to_be_held else client.jobs.temperature(job)
    )


def _shown(job: Job) -> Output:
    return Output(job.document, lambda: say(f"{job.id} is {job.status}"))
