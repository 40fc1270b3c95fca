"""`python -m tests.chaos [--database URL]`: the long form of the experiment, with a report."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.experiment import Plan, run
from tests.chaos.faults import find_faults
from tests.chaos.service import running, running_on_hosts

IN_NETWORK = "CATVQ_CHAOS_IN_NETWORK"


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--database", help="an empty PostgreSQL database; SQLite by default")
    parser.add_argument("--seeds", type=int, default=10, help="at least 2: the second encodes in parts")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--blows", type=int, default=60, help="of each kind")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two blows")
    parser.add_argument(
        "--hosts",
        action="store_true",
        help="on two machines, network namespaces, that share PostgreSQL (by ?host=/directory/of/its/socket),"
        " Redis and an object storage; needs root and iproute2",
    )
    parser.add_argument(
        "--beside", type=Path, help="a directory with a version of the same format for the second machine"
    )
    arguments = parser.parse_args()
    if arguments.beside and not arguments.hosts:
        parser.error("--beside needs --hosts")
    if arguments.hosts and "host=" not in (arguments.database or ""):
        parser.error("--hosts needs --database with ?host=/directory/of/the/server's/socket")
    if arguments.hosts and IN_NETWORK not in os.environ:
        # A namespace of its own for what the hosts share; it is gone with this process.
        os.environ[IN_NETWORK] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, "-m", "tests.chaos", *sys.argv[1:]])
    plan = Plan(arguments.seeds, arguments.jobs, arguments.blows, arguments.pause)
    started = time.monotonic()

    def say(text):
        print(f"{time.monotonic() - started:7.0f} s  {text}", flush=True)

    directory = Path(tempfile.mkdtemp(prefix="catvq-chaos-"))
    say(f"logs and data are in {directory}; they stay there unless all goes well")
    database = arguments.database or f"sqlite:///{directory / 'catvq.db'}"
    if arguments.hosts:
        service_running = running_on_hosts(directory, database, arguments.beside)
    else:
        service_running = running(directory, database)
    with service_running as service:
        outcome = run(service, plan, say)
        faults = find_faults(service, plan, outcome)
        attempts = attempts_of(service.store, outcome)
    report(plan, outcome, faults, attempts)
    if not faults:
        shutil.rmtree(directory)
    return 1 if faults else 0


def attempts_of(store, outcome):
    """How often a worker began with one of the jobs."""
    return sum(
        event.type == "started"
        for job_id in outcome.jobs
        for event in store.jobs.events(job_id, limit=100_000)
    )


def report(plan, outcome, faults, attempts):
    jobs = f"{len(outcome.jobs)} jobs of {plan.seeds} seeds"
    print(f"\n{jobs} in {outcome.seconds:.0f} s, begun {attempts} times\n")
    for kind, count in outcome.struck.items():
        print(f"  {count:5d}  {kind}; {outcome.struck_in_parts[kind]} while parts of a dataset were encoded")
    if faults:
        print("\n" + "\n".join(faults))
    else:
        print("\nall succeeded exactly once, bit for bit as their twins; no write by an old token")


if __name__ == "__main__":
    sys.exit(main())
