"""Jobs: runs of work, from submission to their end."""

import asyncio
import builtins
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

from catvq_client.asynchronous.event_stream import follow_events
from catvq_client.asynchronous.transport import AsyncTransport
from catvq_client.calls import Call, read_json, read_record, segment
from catvq_client.errors import WaitTimeoutError
from catvq_client.records import Assignment, Event, Job, Metrics, Temperature

LONG_POLL_S = 20.0
MIN_POLL_S = 0.1  # a fast training changes every few milliseconds; nobody reads faster than this


class AsyncJobs:
    """Submits, watches and steers jobs."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def submit(self, request: Mapping[str, Any], *, idempotency_key: str | None = None) -> Job:
        """Ask for a training run.

        Args:
            request: The job's body, at least `{"dataset": "ds_..."}`.
            idempotency_key: Makes a repeated submission return the same job; a random one by default,
                so that a retry within this call never makes two.
        """
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        return await self._transport.record(
            Job, Call("POST", "/v1/jobs", json=dict(request), headers=headers)
        )

    async def plan(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a submission would do, without doing it."""
        call = Call("POST", "/v1/jobs", params={"dry_run": "true"}, json=dict(request))
        document: dict[str, Any] = read_json(await self._transport.send(call))
        return document

    async def get(self, job_id: str) -> Job:
        """Return a job as it stands now."""
        return await self._transport.record(Job, Call("GET", _path(job_id)))

    async def list(self, *, status: str | None = None, dataset: str | None = None) -> list[Job]:
        """Return jobs, newest first."""
        wanted = {"status": status, "dataset": dataset}
        params = {key: value for key, value in wanted.items() if value is not None}
        return [item async for item in self._transport.records(Job, Call("GET", "/v1/jobs", params=params))]

    async def watch(self, job_id: str, *, timeout_s: float | None = None) -> AsyncIterator[Job]:
        """Yield the job now, then at each change, until it has ended.

        Raises:
            WaitTimeoutError: The job had not ended after `timeout_s`.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        etag: str | None = None
        last: Job | None = None
        while True:
            wait_s = LONG_POLL_S if deadline is None else min(LONG_POLL_S, deadline - time.monotonic())
            if wait_s <= 0:
                raise WaitTimeoutError(f"{job_id} has not ended after {timeout_s:g} s")
            asked_at = time.monotonic()
            response = await self._transport.send(self._poll(job_id, etag, wait_s))
            if response.status_code == 200:
                etag = response.headers.get("ETag")
                job = read_record(Job, response)
                if job != last:  # a tag may change with what a user does not see
                    last = job
                    yield job
                if job.is_terminal:
                    return
            await asyncio.sleep(max(0.0, MIN_POLL_S - (time.monotonic() - asked_at)))

    async def wait(self, job_id: str, *, timeout_s: float | None = None) -> Job:
        """Return the job once it has ended, however it ended.

        Raises:
            WaitTimeoutError: The job had not ended after `timeout_s`.
        """
        seen = [job async for job in self.watch(job_id, timeout_s=timeout_s)]
        return seen[-1]

    async def cancel(self, job_id: str) -> Job:
        """End a job."""
        return await self._wish(job_id, "cancel")

    async def pause(self, job_id: str) -> Job:
        """Save a job and lay it aside until it is resumed."""
        return await self._wish(job_id, "pause")

    async def resume(self, job_id: str) -> Job:
        """Let a paused job go on where it stopped."""
        return await self._wish(job_id, "resume")

    async def finish(self, job_id: str) -> Job:
        """Let a job end with what it has learnt so far, and publish that."""
        return await self._wish(job_id, "finish")

    async def retry(self, job_id: str) -> Job:
        """Let a job that failed or was cancelled go on from its last checkpoint."""
        return await self._wish(job_id, "retry")

    async def delete(self, job_id: str) -> None:
        """Delete a job that has ended."""
        await self._transport.send(Call("DELETE", _path(job_id)))

    async def temperature(self, job_id: str) -> Temperature:
        """Return the temperature and its schedule."""
        return await self._transport.record(Temperature, Call("GET", f"{_path(job_id)}/temperature"))

    async def hold_temperature(self, job_id: str, temperature: float | None = None) -> Temperature:
        """Hold a running job's temperature at a value, or where it is."""
        return await self._steer(job_id, {"held": True, "temperature": temperature})

    async def release_temperature(self, job_id: str) -> Temperature:
        """Let a temperature that is held follow its schedule again."""
        return await self._steer(job_id, {"held": False})

    async def assignment(self, job_id: str, *, epoch: int | None = None) -> Assignment:
        """Return the soft assignment as it stands now, or as it stood after an epoch."""
        params = {} if epoch is None else {"epoch": str(epoch)}
        return await self._transport.record(
            Assignment, Call("GET", f"{_path(job_id)}/assignment", params=params)
        )

    async def metrics(self, job_id: str, *, max_points: int = 500) -> Metrics:
        """Return the recorded metrics, down-sampled to `max_points`."""
        call = Call("GET", f"{_path(job_id)}/metrics", params={"max_points": str(max_points)})
        return await self._transport.record(Metrics, call)

    async def events(self, job_id: str) -> builtins.list[Event]:
        """Return what happened to the job, in order."""
        return [item async for item in self._transport.records(Event, Call("GET", f"{_path(job_id)}/events"))]

    def follow_events(self, job_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Yield what happens to the job, as it happens, until it has ended.

        A connection that breaks, also because the service is restarted, is made again where it broke.

        Args:
            after: Number of the last event that is known.

        Raises:
            NotReachableError: The service was away for too long.
        """
        return follow_events(self._transport, f"{_path(job_id)}/events", after)

    async def _wish(self, job_id: str, wish: str) -> Job:
        return await self._transport.record(Job, Call("POST", f"{_path(job_id)}/{wish}"))

    async def _steer(self, job_id: str, change: dict[str, Any]) -> Temperature:
        return await self._transport.record(
            Temperature, Call("PATCH", f"{_path(job_id)}/temperature", json=change)
        )

    def _poll(self, job_id: str, etag: str | None, wait_s: float) -> Call:
        if etag is None:
            return Call("GET", _path(job_id))
        headers = {"If-None-Match": etag, "Prefer": f"wait={max(1, round(wait_s))}"}
        return Call("GET", _path(job_id), headers=headers, extra_read_s=wait_s)


def _path(job_id: str) -> str:
    return f"/v1/jobs/{segment(job_id)}"
