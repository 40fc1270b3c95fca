"""What is half done lies in a directory that goes with its process, however that ends."""

import subprocess
import sys

from app.process.scratch import scratch_directory

HOLDER = """
import sys
from pathlib import Path
from app.process.scratch import scratch_directory
with scratch_directory(Path(sys.argv[1])) as directory:
    (directory / "half").write_bytes(b"half")
    print(directory.name, flush=True)
    sys.stdin.read()
"""


def test_the_directory_goes_at_the_end(tmp_path):
    with scratch_directory(tmp_path) as directory:
        assert directory.is_dir()
        (directory / "half").write_bytes(b"half")
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_the_directory_of_a_killed_process_goes_at_the_next_start_and_no_other(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    (tmp_path / "model_1").mkdir()  # a worker's
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killed:
        name = killed.stdout.readline().strip()
        with scratch_directory(tmp_path) as own:
            assert (tmp_path / name / "half").exists()
        killed.kill()
    with scratch_directory(tmp_path) as own:
        assert {path.name for path in tmp_path.iterdir()} == {".lock", own.name, "model_1"}
