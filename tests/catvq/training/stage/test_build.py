import pytest
import torch

from catvq.errors import ConfigError
from catvq.grouping.categories import Categories
from catvq.training.device import family_one_hot, resolve_device
from catvq.training.stage.build import build_learner, temperature_schedule

FAMILIES = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])


@pytest.fixture
def build(make_config):
    def make(**sections):
        grouping = torch.tensor([0, 0, 1, 1]).numpy()
        categories = Categories(("a", "b"), grouping, FAMILIES.bool(), FAMILIES.numpy())
        return build_learner(
            make_config(**sections), categories, family_one_hot=FAMILIES, rows=100, device=torch.device("cpu")
        )

    return make


def test_the_model_follows_the_seed_and_not_the_callers_random_state(build):
    first = build(training={"seed": 5}).model.state_dict()
    torch.rand(3)
    again = build(training={"seed": 5}).model.state_dict()
    other = build(training={"seed": 6}).model.state_dict()

    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["encoder.feature_weight"], other["encoder.feature_weight"])


def test_the_assignment_starts_at_the_grouping_the_temperature_and_the_allowed_categories(build):
    assignment = build(assignment={"temperature_start": 3.0}).assignment

    assert assignment.grouping().tolist() == [0, 0, 1, 1]
    assert assignment.temperature == 3.0
    assert torch.equal(assignment.allowed, FAMILIES.bool())
    assert assignment.estimator == "softmax"


def test_a_static_assignment_is_one_hot_from_the_start(build):
    assert torch.equal(build(assignment={"mode": "static"}).assignment.soft(), FAMILIES)


def test_a_family_is_one_column():
    one_hot = family_one_hot(torch.tensor([1, 0, 1]), 3)

    assert one_hot.tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0]]
    assert one_hot.dtype == torch.float32


def test_a_device_that_is_not_there_is_an_error_and_not_a_fall_back():
    absent = f"cuda:{torch.cuda.device_count()}"

    with pytest.raises(ConfigError, match=absent):
        resolve_device(absent)
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_null_in_the_schedule_is_the_recipes_value(make_config):
    for assignment in (
        {},
        {"estimator": "mirror"},
        {"estimator": "auto", "temperature_schedule": "adaptive"},
    ):
        schedule = temperature_schedule(make_config(assignment=assignment))
        assert (schedule.kind, schedule.start, schedule.end) == ("exponential", 1.0, 0.1)

    given = {"temperature_start": 3.0, "temperature_end": 0.5, "temperature_schedule": "linear"}
    schedule = temperature_schedule(make_config(assignment=given))
    assert (schedule.kind, schedule.start, schedule.end) == ("linear", 3.0, 0.5)


@pytest.mark.parametrize("field", ["temperature_start", "temperature_end"])
def test_a_temperature_of_zero_is_refused_and_not_taken_for_null(make_config, field):
    with pytest.raises(ConfigError, match="above 0"):
        temperature_schedule(make_config(assignment={field: 0.0}))
