"""Without keys the API listens on loopback only, unless told that the network is trusted."""

import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from app.settings import ApiSettings


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.0.1"])
def test_loopback_needs_no_keys_unless_they_are_asked_for(host):
    assert not ApiSettings(host=host).demands_keys
    assert ApiSettings(host=host, require_keys=True).demands_keys


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_anything_else_needs_keys_or_a_trusted_network(host):
    assert ApiSettings(host=host).demands_keys
    assert not ApiSettings(host=host, trusted_network=True).demands_keys


def test_a_network_cannot_be_trusted_and_not():
    with pytest.raises(ValidationError, match="exclude each other"):
        ApiSettings(trusted_network=True, require_keys=True)


def test_a_wrong_setting_is_told_without_the_values_of_any(monkeypatch):
    monkeypatch.setenv("CATVQ_DATABASE_URL", "postgresql+psycopg://user:hidden@nowhere/x")
    for wrong in ({"port": "hidden"}, {"trusted_network": True, "require_keys": True}):
        with pytest.raises(ValidationError) as caught:
            ApiSettings(**wrong)
        assert "hidden" not in str(caught.value)


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("CATVQ_MAX_JSON_BYTES", "17")
    assert ApiSettings().max_json_bytes == 17


def run_api(tmp_path, **settings):
    environment = os.environ | {"CATVQ_DATA_DIR": str(tmp_path), "CATVQ_PORT": "0"} | settings
    return subprocess.run(
        [sys.executable, "-m", "app"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_refuses_to_listen_for_everybody(tmp_path):
    done = run_api(tmp_path, CATVQ_HOST="0.0.0.0")
    assert done.returncode != 0
    assert "refusing to listen on 0.0.0.0: there are no keys" in done.stderr
    assert "CATVQ_TRUSTED_NETWORK" in done.stderr
    assert "Uvicorn running" not in done.stderr
