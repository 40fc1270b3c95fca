"""The short form of the experiment on two machines: links cut, a host lost, a storage that fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.conftest import OUTSIDE_POSTGRES

CAN_MAKE_HOSTS = OUTSIDE_POSTGRES and os.geteuid() == 0 and shutil.which("ip") and shutil.which("unshare")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(500),
    pytest.mark.skipif(not CAN_MAKE_HOSTS, reason="needs root, iproute2 and CATVQ_TEST_POSTGRES_URL"),
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
]


def test_jobs_end_once_and_as_their_twins_whatever_becomes_of_hosts_links_and_storage(database_url):
    words = ["--hosts", "--database", by_socket(database_url), "--seeds", "2", "--jobs", "2", "--blows", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "1  host lost, with its disk" in done.stdout


def by_socket(database_url):
    """A database's address by its Unix socket, which is reached from every network namespace."""
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        directories = connection.exec_driver_sql("SHOW unix_socket_directories").scalar()
    engine.dispose()
    directory = directories.partition(",")[0].strip()
    if not Path(directory, f".s.PGSQL.{engine.url.port or 5432}").exists():
        pytest.skip("the PostgreSQL server is on another machine")
    url = engine.url.set(host=None).update_query_dict({"host": directory})
    return url.render_as_string(hide_password=False)
