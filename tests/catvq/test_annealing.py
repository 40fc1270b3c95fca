import pytest
import torch

from catvq.annealing import Annealer, temperature_schedule
from catvq.assignment import CategoryAssignment
from catvq.errors import ConfigError
from catvq.start import Categories

STEPS_PER_EPOCH = 3


@pytest.fixture
def temperatures(make_config):
    """The temperature at every step up to the one at which the assignment hardens."""

    def collect(epochs=4, freeze=4, **assignment):
        config = make_config(
            assignment={"freeze_after_epochs": freeze, **assignment}, training={"epochs": epochs}
        )
        matrix = CategoryAssignment(torch.zeros(2, 2), temperature=9.0)
        categories = Categories(
            ("a", "b"), torch.zeros(2, dtype=torch.int64).numpy(), torch.ones(2, 2, dtype=torch.bool), None
        )
        annealer = Annealer(
            matrix,
            config=config,
            categories=categories,
            family_one_hot=torch.ones(2, 1),
            steps_per_epoch=STEPS_PER_EPOCH,
        )
        found = []
        for step in range(freeze * STEPS_PER_EPOCH):
            annealer.advance(torch.zeros(8, 2), torch.arange(8), epoch=step // STEPS_PER_EPOCH, step=step)
            found.append(matrix.temperature.item())
        return found

    return collect


LINEAR = {"temperature_start": 1.0, "temperature_end": 0.1, "temperature_schedule": "linear"}


def test_the_temperature_falls_once_an_epoch_and_ends_with_the_last_learnt_one(temperatures):
    assert temperatures(**LINEAR)[::STEPS_PER_EPOCH] == pytest.approx([1.0, 0.7, 0.4, 0.1])
    assert temperatures(**LINEAR)[:STEPS_PER_EPOCH] == [1.0] * STEPS_PER_EPOCH


def test_the_temperature_falls_at_every_step_when_asked_to(temperatures):
    found = temperatures(temperature_update="step", **LINEAR)

    assert found == pytest.approx([1.0 - 0.9 * step / 11 for step in range(12)])


def test_the_temperature_is_at_its_end_when_the_assignment_hardens_early(temperatures):
    assert temperatures(epochs=100, freeze=2, **LINEAR)[-1] == pytest.approx(0.1)


@pytest.mark.parametrize("update", ["epoch", "step"])
def test_one_learnt_epoch_has_a_temperature(temperatures, update):
    found = temperatures(freeze=1, temperature_update=update, **LINEAR)

    assert found[0] == 1.0
    assert found[-1] == pytest.approx(0.1 if update == "step" else 1.0)


def test_nulls_are_the_recipe(make_config):
    schedule = temperature_schedule(make_config())

    assert (schedule.kind, schedule.start, schedule.end) == ("exponential", 1.0, 0.1)


def test_a_search_has_no_schedule(make_config):
    assert temperature_schedule(make_config(assignment={"estimator": "mirror"})) is None


@pytest.mark.parametrize("field", ["temperature_start", "temperature_end"])
def test_a_temperature_of_zero_is_refused_and_not_taken_for_null(make_config, field):
    with pytest.raises(ConfigError, match="above 0"):
        temperature_schedule(make_config(assignment={field: 0.0}))
