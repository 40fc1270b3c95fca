import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_all_that_was_logged_about_a_job_is_shown_in_order(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    lines = [{"time": f"2026-01-01T00:00:0{n}", "message": "x", "job_id": f"job_{n % 2}"} for n in range(6)]
    written = [json.dumps(line) for line in lines]
    (logs / "worker.log.1").write_text("\n".join(written[:3]) + "\n")
    (logs / "worker.log").write_text("\n".join(written[5:]) + "\n")
    (logs / "api.log").write_text("\n".join(written[3:5]) + "\n")
    done = subprocess.run(
        ["make", "logs", "JOB=job_1", f"DATA={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [json.loads(line) for line in done.stdout.splitlines()] == lines[1::2]
