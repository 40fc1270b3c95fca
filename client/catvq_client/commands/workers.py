"""Command `catvq workers`."""

from catvq_client.calls import DEFAULT_URL
from catvq_client.terminal.display import print_json, print_table
from catvq_client.terminal.session import JsonOption, UrlOption, connected


def workers(url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """List the running workers, and the job of each."""
    with connected(url) as client:
        found = client.workers()
        if as_json:
            print_json([worker.document() for worker in found])
        else:
            rows = (
                (worker.name, worker.device, worker.job, f"{worker.since:%Y-%m-%d %H:%M}") for worker in found
            )
            print_table(("name", "device", "job", "since"), rows)
