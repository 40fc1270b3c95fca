import os
import subprocess
import sys
import time

import pytest

from worker.store.files.cache import KEPT_S, Cache

HOLD = """
import sys
from pathlib import Path
from worker.store.files.cache import Cache
cache = Cache(Path(sys.argv[1]), max_bytes=25, holds=True)
assert cache.find("datasets/a/values.npy")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def cache(tmp_path):
    made = Cache(tmp_path / "cache", max_bytes=25, holds=False)
    made.prepare()
    return made


@pytest.fixture
def put(cache, tmp_path):
    """Puts a file of ten bytes into the cache, last used so long ago."""

    def keep(name, ago_s):
        with cache.unfinished(10) as directory:
            (directory / "copy").write_bytes(bytes(10))
            path = cache.keep(directory / "copy", f"datasets/{name}/values.npy")
        used_at = time.time() - ago_s
        os.utime(path, (used_at, used_at))

    return keep


def names(cache, found):
    return [name for name in found if cache.find(f"datasets/{name}/values.npy")]


def test_the_least_recently_used_copy_makes_room(cache, put):
    put("a", 3 * KEPT_S)
    put("b", 4 * KEPT_S)
    put("c", 0)
    assert names(cache, "abc") == ["a", "c"]


def test_what_was_used_a_moment_ago_is_kept_beyond_the_limit(cache, put):
    for name in "abcd":
        put(name, 0)
    assert names(cache, "abcd") == ["a", "b", "c", "d"]


def test_what_a_process_holds_is_kept_until_it_ends(cache, put, tmp_path):
    put("a", 3 * KEPT_S)
    command = [sys.executable, "-c", HOLD, str(tmp_path / "cache")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        for name in "bcd":
            put(name, 2 * KEPT_S)
        os.utime(next((tmp_path / "cache").glob("*%2Fa%2F*")), (0, 0))
        cache.make_room(25)
        assert names(cache, "abcd") == ["a"]
        holder.kill()
    os.utime(next((tmp_path / "cache").glob("*%2Fa%2F*")), (0, 0))
    cache.make_room(25)
    assert names(cache, "a") == []


def test_a_copy_that_is_dropped_stays_readable_while_it_is_open(cache, put):
    put("a", 3 * KEPT_S)
    with cache.find("datasets/a/values.npy").open("rb") as file:
        cache.drop("datasets/a")
        assert names(cache, "a") == []
        assert file.read() == bytes(10)


def test_dropping_a_key_leaves_others_that_begin_alike(cache, put):
    put("a", 0)
    put("ab", 0)
    cache.drop("datasets/a")
    assert names(cache, ["a", "ab"]) == ["ab"]


def test_what_died_unfinished_is_removed_a_day_later(cache, tmp_path):
    old, new = (tmp_path / "cache" / f".unfinished-{name}" for name in ("old", "new"))
    for path in (old, new):
        path.mkdir()
    os.utime(old, (0, 0))
    cache.prepare()
    assert (old.exists(), new.exists()) == (False, True)
