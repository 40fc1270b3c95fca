"""Command `python -m app`: serves the API in one or more processes."""

import argparse
import os
import signal
import subprocess
import sys
import time
from logging.config import dictConfig

import uvloop

from app.auth.gate import NoKeysError
from app.embedded.ports import free_port
from app.http.connections import raise_descriptor_limit
from app.main import create_app
from app.process.safe_path import hand_down_safe_path
from app.server import STOP_TIMEOUT_S, CannotListenError, check_port, serve
from app.settings import ApiSettings
from worker.contract.json_logs import JSON_LOGS
from worker.store import StorageUnavailable, WrongFormat
from worker.store.database import durable_files

CHECK_EVERY_S = 0.5
CANNOT_START = 3  # exit status of a process that should not be restarted


def main() -> int:
    """Serve until a stop is requested; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m app", description=__doc__)
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="number of processes; they share the port and the store (default: %(default)s)",
    )
    parser.add_argument("--join", action="store_true", help=argparse.SUPPRESS)  # one of several processes
    arguments = parser.parse_args()
    dictConfig(JSON_LOGS)
    settings = ApiSettings()
    hand_down_safe_path()
    durable_files.keep_private()
    port = settings.port or free_port(settings.host)
    try:
        if not arguments.join:
            check_port(settings.host, port)
        if arguments.workers > 1:
            return _run_processes(arguments.workers, port)
        raise_descriptor_limit()
        uvloop.run(serve(create_app(settings), settings, port=port))
    except StorageUnavailable as error:
        sys.stderr.write(f"the API cannot start: {error}\n")
        return 1
    except (CannotListenError, NoKeysError, WrongFormat) as error:
        sys.stderr.write(f"the API cannot start: {error}\n")
        return CANNOT_START
    return 0


def _run_processes(count: int, port: int) -> int:
    """Keep `count` processes running until a stop is requested; return the exit status."""
    is_asked_to_stop = False

    def stop(*_: object) -> None:
        nonlocal is_asked_to_stop
        is_asked_to_stop = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    command, environment = [sys.executable, "-m", "app", "--join"], os.environ | {"CATVQ_PORT": str(port)}
    processes: list[subprocess.Popen[bytes]] = []
    while not is_asked_to_stop and all(each.poll() != CANNOT_START for each in processes):
        processes = [each for each in processes if each.poll() is None]
        processes += [subprocess.Popen(command, env=environment) for _ in range(count - len(processes))]
        time.sleep(CHECK_EVERY_S)
    for each in processes:
        each.terminate()
    deadline = time.monotonic() + 2 * STOP_TIMEOUT_S
    for each in processes:
        try:
            each.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            each.kill()
            each.wait()
    return 0 if is_asked_to_stop else CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
