"""Sets the signals of a worker's fork server when imported; only the fork server imports it.

The fork server ignores the signals that a terminal or a service manager sends to the worker's process group,
and the system kills it when the worker dies.
"""

import signal

from celery.platforms import set_pdeathsig

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
set_pdeathsig("SIGKILL")
