"""Command `catvq delete`: removes jobs, models and datasets."""

from typing import Annotated

import typer

from catvq_client.calls import DEFAULT_URL
from catvq_client.errors import CatvqError
from catvq_client.synchronous.client import Client
from catvq_client.terminal.display import print_json
from catvq_client.terminal.session import JsonOption, UrlOption, connected, say


def delete(
    ids: Annotated[list[str], typer.Argument(help="Ids of jobs that have ended, models and datasets.")],
    url: UrlOption = DEFAULT_URL,
    *,
    as_json: JsonOption = False,
) -> None:
    """Delete jobs that have ended, models without an alias, and datasets that no job uses, in this order."""
    with connected(url) as client:
        for identifier in ids:
            _delete(client, identifier)
            if not as_json:
                say(f"deleted {identifier}")
        if as_json:
            print_json({"deleted": ids})


def _delete(client: Client, identifier: str) -> None:
    kinds = {"job": client.jobs.delete, "model": client.models.delete, "ds": client.datasets.delete}
    prefix = identifier.partition("_")[0]
    if prefix not in kinds:
        raise CatvqError(
            f"{identifier}: no id of a job, model or dataset; for an alias, `catvq alias NAME --delete`"
        )
    kinds[prefix](identifier)
