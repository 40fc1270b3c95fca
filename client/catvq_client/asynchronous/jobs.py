"""Jobs: submits, watches and controls them."""

import asyncio
import builtins
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal

from catvq_client.asynchronous.event_stream import follow_events
from catvq_client.asynchronous.transport import AsyncTransport
from catvq_client.calls import Call, read_record, segment
from catvq_client.errors import WaitTimeoutError
from catvq_client.picture import Picture, PictureKind
from catvq_client.records import Assignment, Event, Job, Metrics, Plan, Temperature

LONG_POLL_S = 20.0
MIN_POLL_S = 0.1  # a fast training changes every few milliseconds


class AsyncJobs:
    """Submits, watches and controls jobs."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def submit(self, request: Mapping[str, Any], *, idempotency_key: str | None = None) -> Job:
        """Submit a training job.

        Args:
            request: The job's body, at least `{"dataset": "ds_..."}`.
            idempotency_key: A repeated submission with the same key returns the same job. Random by default,
                so that a retry within this call never submits two jobs.
        """
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        return await self._transport.record(
            Job, Call("POST", "/v1/jobs", json=dict(request), headers=headers)
        )

    async def plan(self, request: Mapping[str, Any]) -> Plan:
        """Return the plan of a job without submitting it."""
        call = Call("POST", "/v1/jobs", params={"dry_run": "true"}, json=dict(request))
        return await self._transport.record(Plan, call)

    async def get(self, job_id: str) -> Job:
        """Return a job with its current state."""
        return await self._transport.record(Job, Call("GET", _path(job_id)))

    def iterate(
        self,
        *,
        status: str | None = None,
        dataset: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Job]:
        """Yield jobs, newest first; pages are read as they are needed."""
        wanted = {"status": status, "dataset": dataset}
        wanted |= {f"label.{name}": value for name, value in (labels or {}).items()}
        params = {key: value for key, value in wanted.items() if value is not None}
        return self._transport.records(Job, Call("GET", "/v1/jobs", params=params))

    async def list(
        self,
        *,
        status: str | None = None,
        dataset: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> list[Job]:
        """Return jobs, newest first."""
        return [job async for job in self.iterate(status=status, dataset=dataset, labels=labels)]

    async def watch(self, job_id: str, *, timeout_s: float | None = None) -> AsyncIterator[Job]:
        """Yield the job now and after each change, until it has ended.

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
                if job != last:  # a tag may change although no visible field has
                    last = job
                    yield job
                if job.is_terminal:
                    return
            await asyncio.sleep(max(0.0, MIN_POLL_S - (time.monotonic() - asked_at)))

    async def wait(self, job_id: str, *, timeout_s: float | None = None) -> Job:
        """Wait until the job has ended in any state, and return it.

        Raises:
            WaitTimeoutError: The job had not ended after `timeout_s`.
        """
        seen = [job async for job in self.watch(job_id, timeout_s=timeout_s)]
        return seen[-1]

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job."""
        return await self._act(job_id, "cancel")

    async def pause(self, job_id: str) -> Job:
        """Pause a job; its state is saved."""
        return await self._act(job_id, "pause")

    async def resume(self, job_id: str) -> Job:
        """Resume a paused job where it stopped."""
        return await self._act(job_id, "resume")

    async def finish(self, job_id: str) -> Job:
        """Stop training early and publish the model."""
        return await self._act(job_id, "finish")

    async def retry(self, job_id: str) -> Job:
        """Continue a failed or cancelled job from its last checkpoint."""
        return await self._act(job_id, "retry")

    async def delete(self, job_id: str) -> None:
        """Delete a job that has ended."""
        await self._transport.send(Call("DELETE", _path(job_id)))

    async def temperature(self, job_id: str) -> Temperature:
        """Return the current temperature and its schedule."""
        return await self._transport.record(Temperature, Call("GET", f"{_path(job_id)}/temperature"))

    async def hold_temperature(self, job_id: str, temperature: float | None = None) -> Temperature:
        """Hold a running job's temperature at a given or its current value."""
        return await self._steer(job_id, {"held": True, "temperature": temperature})

    async def release_temperature(self, job_id: str) -> Temperature:
        """Return a held temperature to its schedule."""
        return await self._steer(job_id, {"held": False})

    async def assignment(self, job_id: str, *, epoch: int | None = None) -> Assignment:
        """Return the current soft assignment, or that after an epoch."""
        params = {} if epoch is None else {"epoch": str(epoch)}
        return await self._transport.record(
            Assignment, Call("GET", f"{_path(job_id)}/assignment", params=params)
        )

    async def metrics(self, job_id: str, *, max_points: int = 500) -> Metrics:
        """Return the recorded metrics, down-sampled to `max_points`."""
        call = Call("GET", f"{_path(job_id)}/metrics", params={"max_points": str(max_points)})
        return await self._transport.record(Metrics, call)

    async def plot(
        self, job_id: str, what: Literal["assignment", "metrics"] = "assignment", *, kind: PictureKind = "svg"
    ) -> Picture:
        """Return a picture of the assignment as it stands, or of the metrics."""
        return await self._transport.picture(f"{_path(job_id)}/{what}", kind)

    async def events(self, job_id: str) -> builtins.list[Event]:
        """Return all events of the job, oldest first."""
        return [item async for item in self._transport.records(Event, Call("GET", f"{_path(job_id)}/events"))]

    def follow(self, job_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Yield events as they happen, until the job has ended.

        A broken connection is restored without losing events, also after a restart of the service.

        Args:
            after: Id of the last event received.

        Raises:
            NotReachableError: The service could not be reached for too long.
        """
        return follow_events(self._transport, f"{_path(job_id)}/events", after)

    async def _act(self, job_id: str, action: str) -> Job:
        return await self._transport.record(Job, Call("POST", f"{_path(job_id)}/{action}"))

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
