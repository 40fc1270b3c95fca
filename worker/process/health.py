"""`python -m worker.process.health`: health check of a worker; exit status 0 when healthy.

A worker is healthy when it can write, the broker answers and its reconciler is alive.
"""

import sys
from collections.abc import Callable

from worker.contract.announcer import Announcer
from worker.contract.settings import WorkerSettings
from worker.store import Store


def find_problems(settings: WorkerSettings) -> list[str]:
    """The failed checks of a worker, one sentence each; empty when it is healthy."""
    store = Store.connect(settings)
    announcer = Announcer(settings.redis_url)
    checks: dict[str, Callable[[], object]] = {
        "a write does not succeed": store.check,
        "the broker does not answer": announcer.count_waiting,
    }
    problems = []
    for problem, check in checks.items():
        try:
            check()
        except Exception as error:  # noqa: BLE001 - every failure is reported
            problems.append(f"{problem}: {error}")
    if settings.worker_name not in {worker.name for worker in store.workers.list()}:
        problems.append(f"the worker {settings.worker_name} has not reported")
    announcer.close()
    store.close()
    return problems


def main() -> int:
    """Run the command; returns the exit status."""
    problems = find_problems(WorkerSettings())
    sys.stdout.write("\n".join(problems or ["healthy"]) + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
