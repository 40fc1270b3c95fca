import signal
import subprocess
import sys

import pytest

WAITER = """
import time
from app.embedded.stopping import StopRequest
stop_request = StopRequest()
print("waiting", flush=True)
while not stop_request.is_set:
    time.sleep(0.02)
print("stopping", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_requests_a_stop_even_where_it_was_inherited_as_ignored(number):
    command = ["sh", "-c", "trap '' INT TERM HUP; exec \"$@\"", "sh", sys.executable, "-c", WAITER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waiter:
        assert waiter.stdout.readline() == "waiting\n"
        waiter.send_signal(number)
        assert waiter.stdout.readline() == "stopping\n"
        assert waiter.wait(10) == 0
