"""Every answer to generated requests is as the API's own description says."""

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig

from app.main import create_app
from app.settings import ApiSettings
from worker.store import Scope

CONFIG = SchemathesisConfig.from_path(Path(__file__).parents[2] / "schemathesis.toml")
description = schemathesis.openapi.from_dict(create_app(ApiSettings()).openapi(), config=CONFIG)


@pytest.fixture(scope="module")
def filled(base_settings, serve, tmp_path_factory):
    """A server of these tests alone, which may delete what they find, and that holds some of everything."""
    with serve(base_settings.model_copy(update={"data_dir": tmp_path_factory.mktemp("filled")})) as api:
        api.running_job()
        api.client.put("/v1/aliases/described", json={"model": api.model()})
        yield api


@pytest.fixture(scope="module")
def base_url(filled):
    return str(filled.client.base_url)


@pytest.fixture(scope="module")
def authorization(filled):
    return {"Authorization": f"Bearer {filled.store.keys.create(Scope.ADMIN).secret}"}


REPEATABLE = settings(
    max_examples=6,
    stateful_step_count=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.filterwarnings(
    "ignore:Skipped test cases with unsupported payload"
)  # tables have tests of their own
@description.parametrize()
@REPEATABLE
def test_answers_are_as_described(case, base_url, authorization):
    case.call_and_validate(base_url=base_url, headers=authorization)


def test_sequences_of_requests_are_answered_as_described(base_url, authorization):
    class Sequence(description.as_state_machine()):
        def get_call_kwargs(self, case):
            return {"base_url": base_url, "headers": authorization}

    Sequence.run(settings=REPEATABLE)
