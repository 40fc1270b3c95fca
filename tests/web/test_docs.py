"""The API's documentation in a browser: nothing from elsewhere, and nothing that its policy forbids."""

import pytest

pytestmark = pytest.mark.slow


def test_the_documentation_shows_every_operation_and_sends_requests(opened):
    page = opened("docs")
    page.wait_for_selector(".opblock")
    assert page.locator(".opblock").count() > 40
    page.locator("#operations-service-list_workers .opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    page.wait_for_selector(".live-responses-table .response")
    assert "last_heard_of" in page.locator(".live-responses-table").inner_text()
