"""Shared by all commands: options, connection, error messages and exit statuses."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from catvq_client.errors import ApiError, CatvqError, NotReachableError
from catvq_client.synchronous.client import Client
from catvq_client.terminal.display import print_json
from catvq_client.terminal.exit_codes import ExitCode, exit_code_of

URL_VARIABLE = "CATVQ_URL"

_prints_json: ContextVar[bool] = ContextVar("prints_json", default=False)


def _note_json(value: bool) -> bool:  # noqa: FBT001 - typer calls it
    """Remember whether the command prints JSON, since its errors are then JSON as well."""
    _prints_json.set(value)
    return value


UrlOption = Annotated[str, typer.Option("--url", envvar=URL_VARIABLE, help="Address of the service.")]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print JSON; errors are problem documents.", callback=_note_json),
]


@contextmanager
def connected(url: str) -> Iterator[Client]:
    """Yield a client; expected errors end the command with one line and an exit status by their kind."""
    with reported_errors(), Client(url) as client:
        yield client


@contextmanager
def reported_errors() -> Iterator[None]:
    """End the command with one line, or a problem document, and an exit status by the error's kind."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of a pipe has closed it; without this Python reports another error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.FAILED) from None
    except NotReachableError as error:
        advice = "start the service with `catvq up`, or give its address with --url or CATVQ_URL"
        fail(f"{error}; {advice}", exit_code_of(error))
    except ApiError as error:
        fail(str(error), exit_code_of(error), error.problem.model_dump(mode="json", exclude_none=True))
    except (CatvqError, OSError) as error:
        fail(str(error), exit_code_of(error))


def fail(text: str, code: ExitCode = ExitCode.FAILED, problem: dict[str, Any] | None = None) -> NoReturn:
    """Print an error on standard error and exit; where the command prints JSON, a problem on standard output.

    Args:
        text: One line for people.
        code: The exit status.
        problem: What the service said.
    """
    if _prints_json.get():
        own = {"type": "about:blank", "title": code.name.lower(), "detail": text, "code": code.name.lower()}
        print_json(problem or own)
    else:
        say(f"error: {text}", style="red")
    raise typer.Exit(code) from None


def say(text: str, style: str | None = None) -> None:
    """Print a message on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(text, style=style, markup=False)
