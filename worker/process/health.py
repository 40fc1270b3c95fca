"""`python -m worker.process.health`: whether the worker of this container can work; the exit status says it.

A worker can work when it can write, the broker answers and its reconciler is alive.
"""

import sys
from collections.abc import Callable

from worker.contract.announcer import Announcer
from worker.contract.settings import WorkerSettings
from worker.store import Store


def find_problems(settings: WorkerSettings) -> list[str]:
    """What keeps the worker from working; empty when it is well."""
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
        except Exception as error:  # noqa: BLE001 - every failure is the answer
            problems.append(f"{problem}: {error}")
    if settings.worker_name not in {worker.name for worker in store.workers.list()}:
        problems.append(f"no sign of life from the worker {settings.worker_name}")
    announcer.close()
    store.close()
    return problems


def main() -> int:
    """Run the command; returns the exit status."""
    problems = find_problems(WorkerSettings())
    sys.stdout.write("\n".join(problems or ["well"]) + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
