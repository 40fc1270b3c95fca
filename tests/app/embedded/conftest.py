import time

import pytest


@pytest.fixture(scope="session")
def eventually():
    """Wait until a condition holds; fail when it does not within the time given."""

    def wait(condition, timeout_s=10.0):
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)
        return value

    return wait
