"""What the files for containers say, as far as it can be told without an engine."""

from pathlib import Path

import pytest
import yaml

from worker.contract.settings import Bucket, ServiceSettings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("service", ["api", "worker"])
def test_every_setting_of_the_env_file_reaches_the_containers(service):
    described = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]
    assert described["env_file"] == [{"path": ".env", "required": False}]
    fixed = {name for name in described["environment"] if name.startswith("CATVQ_")}
    where = {"HOST", "PORT", "DATA_DIR", "DATABASE_URL", "REDIS_URL"}
    assert fixed == {f"CATVQ_{name}" for name in where | {"TRUSTED_NETWORK", "ALLOWED_HOSTS"}}


class Overlay(yaml.SafeLoader):
    """Reads the tags by which a second file replaces what the first says."""


Overlay.add_multi_constructor("!", lambda loader, _, node: loader.construct_sequence(node))


def test_the_machines_of_the_cluster_share_no_disk_and_one_bucket():
    services = yaml.load((ROOT / "docker-compose.cluster.yml").read_text(), Overlay)["services"]
    for name in ("api", "worker"):
        assert services[name]["volumes"] == ["/data"]
        assert services[name]["deploy"]["replicas"] == 2
        settings = {key: value for key, value in services[name]["environment"].items() if "CATVQ" in key}
        location = ServiceSettings(
            **{key.removeprefix("CATVQ_").lower(): value for key, value in settings.items()}
        )
        assert location.storage_location == Bucket("catvq", "files", "http://s3:8333")
    assert f"-bucket={location.storage_location.name}" in services["s3"]["command"]
    assert services["api"]["ports"] == []
    for name in ("proxy", "s3"):
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["mem_limit"]
