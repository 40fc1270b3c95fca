import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catvq.errors import ConfigError
from catvq.model.temperature import MIN_TEMPERATURE, SCHEDULE_KINDS, TemperatureSchedule

kinds = st.sampled_from(SCHEDULE_KINDS)
temperatures = st.floats(1e-6, 1e6)
progress = st.floats(0, 1)


@pytest.mark.parametrize(
    ("kind", "quarter", "middle"),
    [
        ("linear", 3.25, 2.5),
        ("exponential", 4 * 0.25**0.25, 2.0),
        ("cosine", 1 + 3 * (1 + math.sqrt(0.5)) / 2, 2.5),
        ("constant", 4.0, 4.0),
    ],
)
def test_each_schedule_gives_the_values_worked_out_by_hand(kind, quarter, middle):
    schedule = TemperatureSchedule(kind, 4.0, 1.0)

    assert schedule.at(0.25) == pytest.approx(quarter, rel=1e-12)
    assert schedule.at(0.5) == pytest.approx(middle, rel=1e-12)


@given(kinds, temperatures, temperatures)
def test_a_schedule_meets_both_end_points_exactly(kind, start, end):
    schedule = TemperatureSchedule(kind, start, end)

    assert schedule.at(0.0) == max(start, MIN_TEMPERATURE)
    assert schedule.at(1.0) == max(start if kind == "constant" else end, MIN_TEMPERATURE)


@given(kinds, temperatures, temperatures, progress, progress)
def test_a_schedule_moves_one_way_between_its_end_points(kind, first, second, one, other):
    earlier, later = sorted((one, other))
    low, high = sorted((first, second))
    slack = 1 + 1e-12  # one rounding of a power or a cosine

    cooling = TemperatureSchedule(kind, high, low)
    assert cooling.at(earlier) * slack >= cooling.at(later)

    warming = TemperatureSchedule(kind, low, high)
    assert warming.at(earlier) <= warming.at(later) * slack


@given(kinds, st.floats(5e-324, 1e-3), st.floats(5e-324, 1e-3), progress)
def test_no_temperature_is_below_the_floor(kind, start, end, moment):
    assert TemperatureSchedule(kind, start, end).at(moment) >= MIN_TEMPERATURE
    assert TemperatureSchedule(kind, start, end, floor=0.5).at(moment) == 0.5


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("field", ["start", "end", "floor"])
def test_a_temperature_that_is_not_finite_and_positive_is_refused_by_name(field, bad):
    values = {"start": 1.0, "end": 0.1, "floor": 0.01, field: bad}

    with pytest.raises(ConfigError, match=field):
        TemperatureSchedule("linear", **values)


def test_an_unknown_schedule_is_refused_by_name():
    with pytest.raises(ConfigError, match="sawtooth"):
        TemperatureSchedule("sawtooth", 1.0, 0.1)


@pytest.mark.parametrize("outside", [-0.01, 1.01, math.nan])
def test_progress_outside_the_run_is_refused(outside):
    with pytest.raises(ConfigError, match="progress"):
        TemperatureSchedule("linear", 1.0, 0.1).at(outside)
