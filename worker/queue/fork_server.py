"""What makes a process the fork server of a worker: imported there first, and nowhere else.

It lives and dies with its worker: the signals that a terminal or a service manager sends to a whole group,
meant for the worker, do not end it, and the system kills it when the worker has died.
"""

import signal

from celery.platforms import set_pdeathsig

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
set_pdeathsig("SIGKILL")
