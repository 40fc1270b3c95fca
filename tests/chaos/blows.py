"""What is done to the running program: parts killed or frozen, messages lost, doubled or made up."""

import os
import secrets
import signal
import time
from contextlib import suppress

import psutil
import redis
import sqlalchemy as sa

from tests.chaos.service import LEASE_S
from worker.contract.job_config import TRAIN_QUEUE, JobStatus
from worker.store import StoreUnavailable
from worker.store.database.errors import Conflict

FROZEN_S = 1.25 * LEASE_S + 2.5  # after a lease, a quarter of one passes before the job is taken
LOCKED_S = 2.0
HELP = "kill -9 of a worker that helps with a part"  # the one kind that needs a job to itself


class Blows:
    """The kinds of blows; each method strikes once and says whether it hit anything."""

    def __init__(self, service, random):
        self._service = service
        self._random = random
        self._frozen = []
        self._later = []  # when to undo what was done for a while, and how

    @property
    def kinds(self):
        """Each kind of blow by its name; on several machines there are more."""
        return self._kinds_anywhere | (self._kinds_of_hosts if len(self._service.machines) > 1 else {})

    @property
    def _kinds_of_hosts(self):
        return {
            "link of a host cut": self.cut_link,
            "host lost, with its disk": self.lose_host,
            "storage away": self.lose_storage,
            "storage answers 500": lambda: self._spoil_storage(errors=3),
            "answers of the storage cut off": lambda: self._spoil_storage(cuts=3),
        }

    @property
    def _kinds_anywhere(self):
        return {
            "kill -9 of a worker": self.kill_worker,
            "kill -9 of a training process": self.kill_training,
            HELP: self.kill_helper,
            "kill -9 of a fork server": self.kill_fork_server,
            "SIGSTOP of a training worker beyond its lease": self.freeze_worker,
            "kill -9 of the API": self.kill_api,
            "kill -9 of Redis": self.kill_redis,
            "database connections dropped": self.drop_connections,
            "FLUSHALL": self.flush_queue,
            "message lost": self.lose_message,
            "message doubled": self.double_message,
            "message of no job": self.make_message_up,
            "temperature held": self.hold_temperature,
            "job paused and resumed": self.pause_job,
        }

    def kill_worker(self):
        busy = self._busy()
        return bool(busy) and self._kill(self._random.choice(busy)[0].process)

    def kill_training(self):
        busy = self._busy()
        return bool(busy) and self._kill(self._random.choice(busy)[1])

    def kill_helper(self):
        helping = self._busy(
            self._service.store.pieces.busy_workers() - self._service.store.outbox.held_jobs().keys()
        )
        return bool(helping) and self._kill(self._random.choice(helping)[0].process)

    def kill_fork_server(self):
        """What training processes are forked from; they die with it."""
        busy = self._busy()
        with suppress(psutil.NoSuchProcess):
            return bool(busy) and self._kill(self._random.choice(busy)[1].parent())
        return False

    def freeze_worker(self):
        """Stop a worker with its training process for longer than the lease."""
        busy = self._busy()
        if not busy:
            return False
        worker, child = self._random.choice(busy)
        frozen = (worker.process, child)
        self._frozen.append(frozen)
        _signal(frozen, signal.SIGSTOP)
        self._undo_later(lambda: (self._frozen.remove(frozen), _signal(frozen, signal.SIGCONT)))
        return True

    def thaw(self, *, everything=False):
        """Undo what was done for long enough."""
        for each in list(self._later):
            until, undo = each
            if everything or time.monotonic() > until:
                self._later.remove(each)
                undo()

    def cut_link(self):
        """Nothing goes to or from a host for longer than a lease."""
        if self._later:  # not both hosts at once, and not while the storage is away
            return False
        host = self._random.choice(self._service.machines)
        host.cut()
        self._undo_later(lambda: host.cut(is_cut=False))
        return True

    def lose_host(self):
        """End all processes of a host and empty its disk; it comes back, unknown to all, after a lease."""
        if not self.cut_link():
            return False
        host = next(host for host in self._service.machines if host.is_cut)
        for part in self._service.parts_of(host):
            with suppress(ProcessLookupError):
                os.killpg(part.process.pid, signal.SIGKILL)
            part.process.wait()
        host.wipe()
        return True

    def lose_storage(self):
        """No connection to the object storage lasts, for longer than a lease."""
        if self._later:
            return False
        self._service.faults.is_away = True
        self._undo_later(lambda: setattr(self._service.faults, "is_away", False))
        return True

    def kill_api(self):
        return self._kill(self._random.choice(self._service.apis).process)

    def kill_redis(self):
        return self._kill(self._service.redis_part.process)

    def drop_connections(self):
        """PostgreSQL: end every session. SQLite has none: another process takes the write lock instead."""
        engine = sa.create_engine(self._service.settings.sqlalchemy_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA busy_timeout = 5000")
                try:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                except sa.exc.OperationalError:
                    return False  # a frozen worker holds the lock
                time.sleep(LOCKED_S)
                connection.exec_driver_sql("ROLLBACK")
            else:
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        engine.dispose()
        return True

    def flush_queue(self):
        return self._with_redis(lambda client: client.flushall())

    def lose_message(self):
        return self._with_redis(lambda client: client.lpop(TRAIN_QUEUE) is not None)

    def double_message(self):
        """Announce a job once more, whatever its state."""
        page = self._service.store.jobs.list(limit=50).items
        return bool(page) and self._announce(self._random.choice(page).id, times=2)

    def make_message_up(self):
        return self._announce(f"job_{secrets.token_hex(12)}", times=1)

    def hold_temperature(self):
        """As its user may, at any moment."""
        job_id = self._running_job()
        with suppress(Conflict):  # it has no temperature, or has ended
            if job_id is not None:
                temperature = self._random.uniform(0.2, 1)
                self._service.store.controls.steer(job_id, held=True, temperature=temperature)
                return True
        return False

    def pause_job(self):
        """And let it go on soon, whether its worker has stopped by then or not."""
        controls, job_id = self._service.store.controls, self._running_job()
        if job_id is None:
            return False
        with suppress(Conflict):
            controls.pause(job_id)
            time.sleep(self._random.uniform(0, 1))
            while True:
                with suppress(StoreUnavailable):
                    controls.resume(job_id)
                    return True
        return False

    def _busy(self, holders=None):
        """The workers that hold a job or a part of one, each with the process that works on it.

        Those that are frozen are left alone.
        """
        if holders is None:
            holders = (
                self._service.store.outbox.held_jobs().keys() | self._service.store.pieces.busy_workers()
            )
        frozen = {process for processes in self._frozen for process in processes}
        return [
            (worker, child)
            for worker in self._service.workers
            for child in worker.training_processes()
            if any(f".{child.pid}." in name for name in holders) and child not in frozen
        ]

    def _running_job(self):
        """The id of a job that runs, or None."""
        running = self._service.store.jobs.list(status=JobStatus.RUNNING).items
        return self._random.choice(running).id if running else None

    def _undo_later(self, undo):
        self._later.append((time.monotonic() + FROZEN_S, undo))

    def _spoil_storage(self, **faults):
        for name, count in faults.items():
            setattr(self._service.faults, name, count)
        return True

    def _announce(self, job_id, times):
        with suppress(Exception):  # Redis is away for a moment
            for _ in range(times):
                self._service.announcer.announce(job_id)
            return True
        return False

    def _with_redis(self, act):
        with suppress(redis.RedisError), redis.Redis.from_url(self._service.redis.url) as client:
            return bool(act(client))
        return False

    def _kill(self, process):
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                process.kill()
                return True
        return False


def _signal(processes, number):
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
