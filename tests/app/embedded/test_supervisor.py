import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.embedded.ports import FIRST_PORT, LAST_PORT
from app.embedded.redis import PrivateRedis
from app.embedded.supervisor import Options, with_port


def run_embedded(data_dir, *options, **environment):
    """Run the service where it cannot start; give its exit status and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "app.embedded", "--port", "0", "--data", data_dir, *options],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def processes_in(data_dir):
    everywhere = psutil.process_iter(["cwd"])
    return [process for process in everywhere if (process.info["cwd"] or "").startswith(str(data_dir))]


def test_a_host_beyond_loopback_is_refused_before_anything_starts(tmp_path):
    status, said = run_embedded(tmp_path / "data", "--host", "0.0.0.0")
    assert status == 1
    assert "refusing to listen on 0.0.0.0: there are no keys" in said
    assert list((tmp_path / "data").glob("logs/*.log")) == []


def test_a_wrong_setting_is_named_without_the_values_of_others(tmp_path):
    status, said = run_embedded(
        tmp_path, CATVQ_MAX_ROWS="none", CATVQ_DATABASE_URL="postgresql+psycopg://user:secret@nowhere/x"
    )
    assert status == 1
    assert "max_rows Input should be a valid integer" in said
    assert "secret" not in said


def test_a_part_that_keeps_ending_ends_the_start_with_its_last_words(tmp_path):
    data = PrivateRedis.prepare(tmp_path).directory / "appendonlydir"
    data.mkdir()
    (data / "appendonly.aof.manifest").write_text("broken")
    status, said = run_embedded(tmp_path)
    assert status == 1
    assert re.search(r"redis does not start:.*manifest", said, re.DOTALL)
    assert processes_in(tmp_path) == []


def test_a_database_that_is_away_ends_the_start_with_its_reason(tmp_path):
    away = "postgresql+psycopg://postgres@127.0.0.1:1/postgres"
    status, said = run_embedded(tmp_path, CATVQ_DATABASE_URL=away)
    assert status == 1
    assert re.search(r"the database cannot be migrated:.*refused", said, re.DOTALL)
    assert processes_in(tmp_path) == []


def test_port_0_is_a_free_one():
    assert FIRST_PORT <= with_port(Options("127.0.0.1", 0, Path("data"))).port < LAST_PORT


@pytest.mark.parametrize(("host", "local"), [("0.0.0.0", "127.0.0.1"), ("127.0.0.2", "127.0.0.2")])
def test_a_client_on_this_machine_finds_a_service_that_listens_everywhere(host, local):
    assert Options(host, 8000, Path("data")).local_host == local
