"""What is shown of a job while it is followed."""

import io
import re
import subprocess
import sys
import time

import pytest
from catvq_client import Client
from catvq_client.records import Job
from catvq_client.terminal.following import follow, phase_of
from rich.console import Console

JOB = {"id": "job_1", "status": "running", "created_at": "2026-01-01T00:00:00Z"}
LATE = {
    "progress": {
        "fraction": 0.999,
        "epoch": 99_999,
        "epochs": 100_000,
        "step": 9,
        "steps": 10,
        "eta_seconds": 35_999,
    },
    "temperature": 0.123456789,
    "losses": {"total": 1, "reconstruction": 0.00123456, "validation": 0.00123456},
}


@pytest.mark.parametrize(
    ("changes", "phase"),
    [
        ({"status": "queued", "queue": {"position": 3}}, "queued, 3."),
        ({"status": "queued"}, "queued"),
        ({"progress": {"epoch": 0, "epochs": 5, "step": 0}}, "grouping"),
        ({"progress": {"epoch": 0, "epochs": 5, "step": 70}}, "searching"),
        ({"progress": {"epoch": 1, "epochs": 5, "step": 80}}, "training"),
        ({"progress": {"epoch": 5, "epochs": 5, "step": 90}}, "freezing"),
        ({"kind": "encoding", "progress": {"epoch": 0, "epochs": 1}}, "encoding"),
        ({"status": "pausing"}, "pausing"),
        ({"status": "succeeded", "progress": {"epoch": 5, "epochs": 5}}, "succeeded"),
    ],
)
def test_the_phase_says_what_a_job_is_doing(changes, phase):
    assert phase_of(Job.model_validate(JOB | changes)) == phase


@pytest.mark.parametrize("status", ["running", "cancelling"])
def test_the_progress_fits_into_80_columns(scripted, answer, status):
    late, done = JOB | LATE | {"status": status}, JOB | LATE | {"status": "succeeded"}
    scripted.answers = [answer(200, late, {"ETag": '"1"'}), answer(200, done, {"ETag": '"2"'}, delay_s=0.3)]
    screen = io.StringIO()
    with Client(scripted.url) as client:
        follow(client, "job_1", Console(file=screen, force_terminal=True, width=80, color_system=None))
    lines = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in re.split(r"[\r\n]+", screen.getvalue())]
    (line,) = {line.rstrip() for line in lines if "left" in line}
    assert len(line) <= 80
    for part in ("epoch 99999/100000", "9:59:59 left", "T 0.123", "error 0.00123"):
        assert part in line


def test_ctrl_c_ends_the_command_and_not_the_job(scripted, answer):
    scripted.answers = [answer(200, JOB, {"ETag": '"1"'}), answer(304, delay_s=2)]
    command = [
        sys.executable,
        "-c",
        "from catvq_client.cli import main; main()",
        "status",
        "job_1",
        "--follow",
    ]
    process = subprocess.Popen(
        [*command, "--url", scripted.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while len(scripted.requests) < 2:
        time.sleep(0.02)
    process.send_signal(2)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "job_1 goes on; come back with `catvq status job_1 --follow`" in said
    assert "Traceback" not in said
    assert all(request.method == "GET" for request in scripted.requests)
