"""The short form of the experiment: a few jobs and blows of every kind."""

import pytest

from tests.chaos.experiment import Plan, run
from tests.chaos.faults import find_faults
from tests.chaos.service import running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def test_jobs_end_once_and_as_their_twins_whatever_is_struck(tmp_path):
    with running(tmp_path, f"sqlite:///{tmp_path / 'catvq.db'}") as service:
        plan = Plan(seeds=2, jobs=2, blows=1, pause_s=1.0, epochs=15)
        outcome = run(service, plan)
        assert find_faults(service, plan, outcome) == []
        assert len(outcome.struck) == 14
