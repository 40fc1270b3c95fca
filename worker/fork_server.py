"""What makes a process the fork server of a worker: imported there first, and nowhere else.

It lives and dies with its worker: no signal meant for the worker and its jobs ends it, and the system kills
it when the worker has died.
"""

import signal

from celery.platforms import set_pdeathsig

signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
set_pdeathsig("SIGKILL")
