"""The command line `catvq`."""

import sys
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated

import typer

from catvq_client.commands import datasets, jobs, keys, models, steering
from catvq_client.commands.aliases import alias
from catvq_client.commands.delete import delete
from catvq_client.commands.plot import plot
from catvq_client.commands.train import train
from catvq_client.commands.up import up
from catvq_client.commands.workers import workers

app = typer.Typer(
    help="Learn which features of a table belong together, and encode rows with the trained model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a pretty trace prints local variables, the API key among them
    rich_markup_mode=None,
)
for command in (
    *(up, train),
    *(jobs.status, jobs.assignment, jobs.metrics, jobs.events),
    *(
        steering.temperature,
        steering.cancel,
        steering.pause,
        steering.resume,
        steering.finish,
        steering.retry,
    ),
    *(models.models, models.grouping, models.report, models.diff, models.encode, models.decode),
    *(models.artifact, alias, plot, delete, workers),
):
    app.command()(command)
app.add_typer(datasets.app, name="datasets")
app.add_typer(keys.app, name="keys")


def _print_version(is_asked: bool) -> None:  # noqa: FBT001 - typer calls it
    if is_asked:
        typer.echo(f"catvq {version('catvq-client')}")
        raise typer.Exit


@app.callback()
def _catvq(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and not stream.isatty():
            stream.reconfigure(encoding="utf-8")  # JSON and CSV are; Windows writes another into a pipe
    app()
