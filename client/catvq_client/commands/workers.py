"""Command `catvq workers`."""

from catvq_client.synchronous.client import Client
from catvq_client.terminal.command import Output, command, table_of


@command
def workers(client: Client) -> Output:
    """List the running workers, and the job of each."""
    return table_of(
        client.workers(),
        ("name", "device", "job", "since"),
        lambda worker: (worker.name, worker.device, worker.job, f"{worker.since:%Y-%m-%d %H:%M}"),
    )
