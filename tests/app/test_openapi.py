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


@pytest.fixture(scope="session")
def authorization(api):
    return {"Authorization": f"Bearer {api.store.keys.create(Scope.ADMIN).secret}"}


@pytest.fixture(scope="session")
def base_url(api, model_id):
    """The address of a server that holds some of everything."""
    api.running_job()
    api.client.put("/v1/aliases/described", json={"model": model_id})
    return str(api.client.base_url)


@pytest.mark.filterwarnings(
    "ignore:Skipped test cases with unsupported payload"
)  # tables have tests of their own
@description.parametrize()
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_described(case, base_url, authorization):
    case.call_and_validate(base_url=base_url, headers=authorization)
