import subprocess
import sys

from worker.contract.job_config import TRAIN_QUEUE, TRAIN_TASK
from worker.queue.celery_app import app


def test_importing_the_application_reads_no_settings():
    code = (
        "import os; os.environ['CATVQ_LEASE_S'] = 'no number'\n"
        "import worker.queue.celery_app as module\n"
        "assert not module.app.configured"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_messages_are_json_and_only_wake_up(monkeypatch):
    monkeypatch.setenv("CATVQ_REDIS_URL", "redis://127.0.0.1:1/7")
    app.loader.import_default_modules()
    assert app.conf.broker_url == "redis://127.0.0.1:1/7"
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_serializer == "json"
    assert app.conf.task_default_queue == TRAIN_QUEUE
    task = app.tasks[TRAIN_TASK]
    assert (task.acks_late, task.reject_on_worker_lost, task.ignore_result) == (True, False, True)
