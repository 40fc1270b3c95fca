"""Shared by all commands: options, connection, one-line error messages."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from catvq_client.errors import CatvqError, NotReachableError
from catvq_client.synchronous.client import Client

URL_VARIABLE = "CATVQ_URL"

UrlOption = Annotated[str, typer.Option("--url", envvar=URL_VARIABLE, help="Address of the service.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def connected(url: str) -> Iterator[Client]:
    """Yield a client; expected errors end the command with one line and exit status 1."""
    with reported_errors(), Client(url) as client:
        yield client


@contextmanager
def reported_errors() -> Iterator[None]:
    """End the command with one line and exit status 1 on an expected error."""
    try:
        yield
    except NotReachableError as error:
        fail(f"{error}; start the service with `catvq up`, or give its address with --url or CATVQ_URL")
    except BrokenPipeError:
        # The reader of a pipe has closed it; without this Python reports another error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except (CatvqError, OSError) as error:
        fail(str(error))


def fail(text: str) -> None:
    """Print an error on standard error and exit with status 1."""
    say(f"error: {text}", style="red")
    raise typer.Exit(1) from None


def say(text: str, style: str | None = None) -> None:
    """Print a message on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(text, style=style, markup=False)
