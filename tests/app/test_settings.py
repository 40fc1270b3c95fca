"""Without keys the API listens on loopback only, unless told that the network is trusted."""

import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from app.settings import ApiSettings


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.0.1"])
def test_loopback_needs_no_word(host):
    assert ApiSettings(host=host).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_anything_else_needs_a_trusted_network(host):
    with pytest.raises(ValidationError, match="CATVQ_TRUSTED_NETWORK"):
        ApiSettings(host=host)
    assert ApiSettings(host=host, trusted_network=True).host == host


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("CATVQ_MAX_JSON_BYTES", "17")
    assert ApiSettings().max_json_bytes == 17


def test_the_command_refuses_to_listen_for_everybody():
    environment = os.environ | {"CATVQ_HOST": "0.0.0.0"}
    done = subprocess.run(
        [sys.executable, "-m", "app"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "CATVQ_TRUSTED_NETWORK" in done.stderr
