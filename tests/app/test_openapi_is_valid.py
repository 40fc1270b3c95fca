"""Every answer to generated requests is as the API's own description says."""

import pytest

from tests.fuzz.requests import filled_service, send_requests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_answers_are_as_described():
    with filled_service() as (api, key, known):
        assert send_requests(api, key, known, cases=2000, examples=3, seed=0) == []
