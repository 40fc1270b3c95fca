"""Command `catvq up`: runs the installed service in the foreground."""

import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from catvq_client.terminal.session import fail

FORWARDED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
SERVER = "app.embedded"
LIBRARIES = ("celery", "fastapi", "sqlalchemy")  # without them, only the core is installed


def up(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 chooses a free one.")] = 8000,
    data: Annotated[Path, typer.Option("--data", help="Data directory.")] = Path("data"),
) -> None:
    """Run the service on this machine: API, a worker and a private Redis."""
    if sys.platform == "win32":
        fail("the service runs on Linux and macOS; on Windows, start it in WSL or in a container")
    if not is_server_installed():
        fail("the service is not installed; install it with `pip install 'catvq[embedded]'`")
    # -P: the current directory may hold modules of the same names.
    command = [sys.executable, "-P", "-m", SERVER, "--port", str(port), "--data", str(data)]
    raise typer.Exit(run_in_foreground(command))


def is_server_installed() -> bool:
    """Whether the service and its libraries are installed; nothing is imported."""
    if any(find_spec(library) is None for library in LIBRARIES):
        return False
    package, _, module = SERVER.partition(".")
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    return any((Path(place) / module).is_dir() for place in places or ())


def run_in_foreground(command: list[str]) -> int:
    """Run a child process until it ends, forward signals to it, and return its exit status.

    The child runs in its own session, so that Ctrl-C reaches it only once, through this process.
    """
    waiting: list[int] = []

    def keep(number: int, _frame: FrameType | None) -> None:
        waiting.append(number)

    previous = {number: signal.signal(number, keep) for number in FORWARDED}
    try:
        child = subprocess.Popen(command, start_new_session=True)

        def forward(number: int, _frame: FrameType | None) -> None:
            child.send_signal(number)

        for number in FORWARDED:
            signal.signal(number, forward)
        for early in waiting:
            child.send_signal(early)
        status = child.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status
