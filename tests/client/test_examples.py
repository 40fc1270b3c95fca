from pathlib import Path

import pytest
import yaml
from catvq_client.job_files.config_file import read_config_file

from catvq.config import RunConfig
from worker.contract.job_config import JobRequest

EXAMPLES = Path(__file__).parents[2] / "examples"


def request_of(name):
    run = read_config_file(EXAMPLES / name)
    return JobRequest.model_validate({**run.job, "dataset": "ds_1"})


def test_the_complete_example_holds_every_setting_with_its_default():
    document = read_config_file(EXAMPLES / "config.yaml").job
    for section, defaults in RunConfig().to_dict().items():
        left_out = set(defaults) - set(document[section])
        assert left_out == ({"groups", "model"} if section == "assignment" else set()), section
    sections = {section: document[section] for section in RunConfig().to_dict()}
    assert JobRequest(dataset="ds_1", **sections).config == RunConfig()


def test_the_complete_example_is_accepted_and_nothing_is_without_effect():
    run = read_config_file(EXAMPLES / "config.yaml")
    assert run.ignored_keys == ()
    assert request_of("config.yaml").labels == {"team": "vision"}


def test_the_published_layouts_example_is_accepted():
    request = request_of("published_layout.yaml")
    assert request.model.embedding_dim == 512
    assert request.model.categories == {"initial": 3, "temporal": 6}
    assert request.assignment.mode == "learnable"
    assert request.training.seed == 42


def test_the_published_layouts_example_says_which_keys_have_no_effect():
    path = EXAMPLES / "published_layout.yaml"
    marked = {line.split(":")[0].strip() for line in path.read_text().splitlines() if "# no effect" in line}
    named = {item.key.rsplit(".", 1)[-1] for item in read_config_file(path).ignored_keys}
    # An encoder's parameters carry no remark of their own.
    assert named - marked == {"encoder_params"}
    assert marked <= named


@pytest.mark.parametrize("name", ["config.yaml", "published_layout.yaml"])
def test_any_yaml_reader_sees_the_same_keys(name):
    plain = yaml.safe_load((EXAMPLES / name).read_text())
    assert isinstance(plain, dict)
