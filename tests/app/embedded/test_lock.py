import os
import subprocess
import time
from pathlib import Path

import pytest

from app.embedded import lock
from app.embedded.lock import DirectoryInUseError, DirectoryUnusableError, locked


def test_a_second_holder_is_refused_and_told_who_has_the_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE_S", 0.0)
    with (
        locked(tmp_path / "data"),
        pytest.raises(DirectoryInUseError, match=rf"process {os.getpid()}\b"),
        locked(tmp_path / "data"),
    ):
        pass


def test_a_place_that_cannot_hold_data_is_refused_by_its_name(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nobody/here")):
        with pytest.raises(DirectoryUnusableError, match=f"{place} cannot be used: "), locked(place):
            pass


def test_a_released_directory_can_be_locked_again(tmp_path):
    with locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_the_lock_is_held_until_the_last_process_that_inherited_it_has_ended(tmp_path):
    with locked(tmp_path) as descriptor:
        heir = subprocess.Popen(["sleep", "0.5"], pass_fds=[descriptor])
    started = time.monotonic()
    with locked(tmp_path):
        assert heir.wait(1) == 0
        assert time.monotonic() - started > 0.3
