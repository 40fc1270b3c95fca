"""Command `python -m worker.queue`: the worker that `celery -A worker.queue.celery_app worker` starts.

That command looks for the application in the current directory first. Here its modules are loaded before, so
that under `python -P` the directory may hold other modules of the same names.
"""

import sys

from celery.__main__ import main

from worker.queue import celery_app, lifecycle, tasks  # noqa: F401 - loaded before Celery looks for them

if __name__ == "__main__":
    sys.argv[1:] = ["--app", celery_app.__name__, "worker", *sys.argv[1:]]
    main()
