"""The command `python -m app`: the API, in as many processes as are wished, where the settings say."""

import argparse

import uvicorn

from app.protocol import Protocol
from app.settings import ApiSettings
from worker.logs import JSON_LOGS
from worker.store import files

STOP_TIMEOUT_S = 5  # long polls and event streams would keep a process from ending


def main() -> None:
    """Serve until asked to stop."""
    parser = argparse.ArgumentParser(prog="python -m app", description=__doc__)
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes, which share the port and the store (default: %(default)s)",
    )
    arguments = parser.parse_args()
    settings = ApiSettings()
    files.keep_private()
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=arguments.workers,
        http=Protocol,
        ws="none",
        log_config=JSON_LOGS,
        access_log=False,  # a line for each request takes as long as to encode a row; /metrics counts them
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )


if __name__ == "__main__":
    main()
