"""Writes the progress, events and results of a running job to the store, waiting while it is down."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Concatenate, ParamSpec, TypeVar

from catvq.training.progress import RunState
from catvq.training.run import TrainingRun
from worker.jobs.failures import DivergedError
from worker.jobs.heartbeat import Heartbeat
from worker.store import Claim, Progress, Steering, Store
from worker.store.database.durable_files import file_digest

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

PACE_WEIGHT = 0.2  # of the newest measurement
MOVES_PER_EVENT = 100  # the model's report lists all of them


@dataclass(frozen=True)
class _Moment:
    step: int
    time: float


class Recorder:
    """Writes everything that a job process records about its job.

    Every method waits while the database does not answer, and raises LeaseLost once another worker has the
    job.
    """

    def __init__(self, store: Store, claim: Claim, heartbeat: Heartbeat[Claim]) -> None:
        self._store = store
        self._claim = claim
        self._heartbeat = heartbeat
        self._last: _Moment | None = None
        self._saved_at = -math.inf
        self._pace: float | None = None

    def record_epoch(self, run: TrainingRun) -> None:
        """Record the state of a run after an epoch, or before the first.

        Raises:
            DivergedError: The losses are not finite.
        """
        state = run.state()
        infinite = [
            name for name, loss in state.losses.items() if loss is not None and not math.isfinite(loss)
        ]
        if infinite:
            raise DivergedError(
                f"{', '.join(infinite)} became infinite in epoch {state.epoch}: "
                "try a lower learning_rate or assignment_lr"
            )
        recordings = self._store.recordings
        self._write(recordings.record_progress, self._progress(run, state))
        for onset in _describe_onsets(state):
            self._write(recordings.add_event_once, "collapse", onset)
        for join in state.joins:
            if join.epoch == state.epoch:
                self._write(recordings.add_event_once, "joined", asdict(join))
        moves = [asdict(move) for move in state.moves if move.epoch == state.epoch]
        if moves:
            moved = {"epoch": state.epoch, "count": len(moves), "features": moves[:MOVES_PER_EVENT]}
            self._write(recordings.add_event_once, "moved", moved)
        if state.settled_epoch == state.epoch:
            settled = {"epoch": state.epoch, "temperature": state.temperature}
            self._write(recordings.add_event_once, "settled", settled)

    def save_checkpoint(self, run: TrainingRun, *, is_due: bool) -> None:
        """Write a checkpoint and record it as the newest.

        Args:
            is_due: Write it even if the one before was written a moment ago, to an object storage.
        """
        if not is_due and time.monotonic() - self._saved_at < self._store.files.interval_s:
            return
        state = run.state()
        job_id, token = self._claim.job.id, self._claim.token
        # The token keeps a process that lost the job from overwriting its successor's file.
        name = f"checkpoint-{token:06d}-{state.step:010d}.safetensors"
        with TemporaryDirectory(prefix=f"{job_id}-", dir=self._store.spool_dir) as directory:
            path = Path(directory, name)
            run.save(path)
            digest, size_bytes = file_digest(path), path.stat().st_size
            self._write(self._store.recordings.publish_checkpoint, path)
        self._write(
            self._store.recordings.record_checkpoint,
            epoch=state.epoch,
            step=state.step,
            file_name=name,
            digest=digest,
            size_bytes=size_bytes,
        )
        self._saved_at = time.monotonic()

    def record_steering(self, run: TrainingRun) -> tuple[Steering, ...]:
        """Record that pending changes take effect before the run's next step; returns all changes."""
        return self._write(self._store.recordings.record_steering, run.moment, run.next_temperature)

    def add_event(self, event: str, **data: Any) -> None:
        """Append an event to the job."""
        self._write(self._store.recordings.add_event, event, data)

    def publish(self, model_id: str, document: dict[str, Any], digest: str) -> None:
        """End the job with a model whose files are in place."""
        self._write(self._store.leases.publish, model_id, document, digest)

    def record_rows(self, done: int, rows: int) -> None:
        """Record how many rows of an encoding are on the disk."""
        self._write(
            self._store.recordings.record_rows, done=done, rows=rows, eta_seconds=self._eta(done, rows)
        )

    def deliver(self, dataset_id: str) -> None:
        """End an encoding job with its dataset of codes."""
        self._write(self._store.leases.deliver, dataset_id)

    def _write(
        self,
        write: Callable[Concatenate[Claim, Parameters], Result],
        *arguments: Parameters.args,
        **named: Parameters.kwargs,
    ) -> Result:
        return self._heartbeat.persist(lambda: write(self._claim, *arguments, **named))

    def _progress(self, run: TrainingRun, state: RunState) -> Progress:
        assignment = state.to_dict()["assignment"]
        codebook = state.to_dict()["codebook"] or {}
        metrics: dict[str, float | None] = {}
        if state.epoch > 0:
            metrics = dict(state.losses) | {"temperature": state.temperature}
            metrics |= {f"assignment_{name}": value for name, value in assignment.items()}
            metrics |= {f"codebook_{name}": value for name, value in codebook.items()}
        return Progress(
            epoch=state.epoch,
            epochs=state.epochs,
            step=state.step,
            steps=state.steps,
            is_finished=run.is_finished,
            settled_epoch=state.settled_epoch,
            temperature=state.temperature,
            losses=state.losses,
            assignment=assignment,
            codebook=codebook,
            eta_seconds=self._eta(state.step, state.steps),
            matrix=run.soft_assignment(),
            categories=run.category_names,
            metrics=metrics,
        )

    def _eta(self, step: int, steps: int) -> float | None:
        """Estimated seconds left; None before this attempt took a step."""
        now = time.monotonic()
        if self._last is not None and step > self._last.step:
            pace = (now - self._last.time) / (step - self._last.step)
            # A fast-moving average: the stages of a run differ in pace.
            self._pace = pace if self._pace is None else self._pace + PACE_WEIGHT * (pace - self._pace)
        self._last = _Moment(step, now)
        return None if self._pace is None else round(self._pace * (steps - step), 1)


def _describe_onsets(state: RunState) -> list[dict[str, Any]]:
    """The collapses that began in this epoch, merged by kind, cause and action."""
    onsets: dict[tuple[str, str, str], dict[str, float]] = {}
    for each in state.collapses:
        if each.first_epoch == state.epoch:
            onsets.setdefault((each.kind, each.cause, each.action), {})[each.subject] = each.measure
    return [
        {"kind": kind, "epoch": state.epoch, "subjects": subjects, "cause": cause, "action": action}
        for (kind, cause, action), subjects in onsets.items()
    ]
