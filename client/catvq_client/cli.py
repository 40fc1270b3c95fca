"""The command line `catvq`."""

import typer

from catvq_client.commands import datasets, jobs, models, steering
from catvq_client.commands.plot import plot
from catvq_client.commands.train import train
from catvq_client.commands.up import up
from catvq_client.commands.workers import workers

app = typer.Typer(
    help="Learn which features of a table belong together, and encode rows with the trained model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a pretty trace prints local variables, the API key among them
    rich_markup_mode=None,
)
app.command()(up)
app.command()(train)
app.command()(workers)
app.add_typer(datasets.app, name="datasets")
app.command()(jobs.status)
app.command()(jobs.assignment)
app.command()(jobs.events)
app.command()(steering.temperature)
app.command()(steering.cancel)
app.command()(steering.pause)
app.command()(steering.resume)
app.command()(steering.finish)
app.command()(steering.retry)
app.command()(models.models)
app.command()(models.grouping)
app.command()(models.report)
app.command()(models.diff)
app.command()(models.encode)
app.command()(plot)


def main() -> None:
    """Run the command line."""
    app()
