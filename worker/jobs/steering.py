"""Applies a user's steering to a training run, and replays it at the same steps after a resume."""

from catvq.training.run import TrainingRun
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.recorder import Recorder
from worker.store import Claim, Steering


class SteeringReplay:
    """Applies recorded and new steering changes to one attempt at a run.

    Every change is stored with the moment of the run at which it takes effect before it is applied. An
    attempt that starts at an earlier moment applies it again there.

    Args:
        changes: All changes so far.
        run: As started or resumed; changes before its current moment are already applied.
    """

    def __init__(
        self,
        changes: tuple[Steering, ...],
        run: TrainingRun,
        *,
        recorder: Recorder,
        heartbeat: Heartbeat[Claim],
    ) -> None:
        self._run = run
        self._recorder = recorder
        self._heartbeat = heartbeat
        self._has_pending = any(change.moment is None for change in changes)
        self._ahead = [change for change in changes if change.moment and change.moment >= run.moment]

    def is_due(self) -> bool:
        """Whether a change must be applied before the next step."""
        # Changes of an earlier attempt are part of the run that is repeated, so they come first.
        if self._ahead:
            return self._run.moment >= (self._ahead[0].moment or (0, False))
        return self._has_pending or self._heartbeat.is_steered

    def apply_due(self) -> None:
        """Apply every change that is due."""
        while self._ahead and self.is_due():
            self._apply(self._ahead.pop(0))
        if not self._ahead and (self._heartbeat.take_steering() or self._has_pending):
            moment = self._run.moment
            for change in self._recorder.record_steering(self._run):
                if change.moment == moment:
                    self._apply(change)
            self._has_pending = False

    def _apply(self, change: Steering) -> None:
        if change.held is not None:
            self._run.hold_temperature(change.temperature)
        if change.finish:
            self._run.finish()
