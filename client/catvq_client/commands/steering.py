"""Commands `catvq cancel`, `pause`, `resume`, `finish`, `retry` and `temperature`."""

from typing import Annotated

import typer

from catvq_client.calls import DEFAULT_URL
from catvq_client.commands.jobs import JobArgument
from catvq_client.records import Job, Temperature
from catvq_client.synchronous.client import Client
from catvq_client.terminal.display import print_fields, print_json
from catvq_client.terminal.exit_codes import ExitCode
from catvq_client.terminal.session import JsonOption, UrlOption, connected, fail, say


def cancel(job: JobArgument, url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """Cancel a job."""
    with connected(url) as client:
        _show(client.jobs.cancel(job), as_json=as_json)


def pause(job: JobArgument, url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """Pause a job; its state is saved until it is resumed."""
    with connected(url) as client:
        _show(client.jobs.pause(job), as_json=as_json)


def resume(job: JobArgument, url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """Resume a paused job where it stopped."""
    with connected(url) as client:
        _show(client.jobs.resume(job), as_json=as_json)


def finish(job: JobArgument, url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """Stop training early and publish the model."""
    with connected(url) as client:
        _show(client.jobs.finish(job), as_json=as_json)


def retry(job: JobArgument, url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """Continue a failed or cancelled job from its last checkpoint."""
    with connected(url) as client:
        _show(client.jobs.retry(job), as_json=as_json)


def temperature(
    job: JobArgument,
    url: UrlOption = DEFAULT_URL,
    *,
    is_held: Annotated[bool, typer.Option("--hold", help="Hold the current value.")] = False,
    value: Annotated[float | None, typer.Option("--set", help="Hold this value.")] = None,
    is_released: Annotated[bool, typer.Option("--release", help="Return to the schedule.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a job's temperature and its schedule, or change it."""
    is_to_be_held = is_held or value is not None
    if is_released and is_to_be_held:
        fail("--release cannot be combined with --hold or --set", ExitCode.USAGE)
    with connected(url) as client:
        found = _steer(client, job, value, is_held=is_to_be_held, is_released=is_released)
        if as_json:
            print_json(found.document())
        else:
            print_fields(found.document())


def _steer(client: Client, job: str, value: float | None, *, is_held: bool, is_released: bool) -> Temperature:
    if is_released:
        return client.jobs.release_temperature(job)
    return client.jobs.hold_temperature(job, value) if is_held else client.jobs.temperature(job)


def _show(job: Job, *, as_json: bool) -> None:
    if as_json:
        print_json(job.document())
    else:
        say(f"{job.id} is {job.status}")
