"""What the files for containers say, as far as it can be told without an engine."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("service", ["api", "worker"])
def test_every_setting_of_the_env_file_reaches_the_containers(service):
    described = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]
    assert described["env_file"] == [{"path": ".env", "required": False}]
    fixed = {name for name in described["environment"] if name.startswith("CATVQ_")}
    where = {"HOST", "PORT", "DATA_DIR", "DATABASE_URL", "REDIS_URL"}
    assert fixed == {f"CATVQ_{name}" for name in where | {"TRUSTED_NETWORK", "ALLOWED_HOSTS"}}
