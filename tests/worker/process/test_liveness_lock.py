import os
import subprocess
import sys
import time

import pytest

from worker.process.liveness_lock import (
    ABANDONED_AFTER_S,
    dead_holder,
    held_lock,
    process_prefix,
    remove_abandoned,
)

HOLD = """
import sys
from pathlib import Path
from worker.process.liveness_lock import held_lock

with held_lock(Path(sys.argv[1]), "w", 1) as name:
    print(name, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds a lock, and the name it holds it under."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


def test_a_living_holder_is_not_taken_for_dead(tmp_path, holder):
    _, name = holder
    with dead_holder(tmp_path, name) as is_dead:
        assert not is_dead


def test_a_killed_holder_is_known_to_be_dead_once(tmp_path, holder):
    process, name = holder
    process.kill()
    process.wait()
    with dead_holder(tmp_path, name) as is_dead:
        assert is_dead
        with dead_holder(tmp_path, name) as is_dead_for_others:
            assert not is_dead_for_others
    assert list(tmp_path.iterdir()) == []


def test_a_holder_on_another_machine_is_not_judged(tmp_path, holder):
    process, name = holder
    process.kill()
    process.wait()
    (tmp_path / f"{name}.lock").write_text("another machine")
    for unknown in (name, "no-such-holder"):
        with dead_holder(tmp_path, unknown) as is_dead:
            assert not is_dead


def test_a_lock_is_named_after_its_worker_and_removed_when_released(tmp_path):
    with held_lock(tmp_path, "w", 7) as name:
        assert name.startswith(process_prefix("w", 7))
        assert [path.name for path in tmp_path.iterdir()] == [f"{name}.lock"]
    assert list(tmp_path.iterdir()) == []


def test_only_old_unlocked_files_are_removed(tmp_path, holder):
    _, name = holder
    old, young, held = (tmp_path / f"{name}.lock" for name in ("old", "young", name))
    old.touch()
    young.touch()
    before = time.time() - ABANDONED_AFTER_S - 1
    for path in (old, held):
        os.utime(path, (before, before))
    remove_abandoned(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([young, held])
