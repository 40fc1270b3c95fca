"""Runs one attempt at a training job: start or resume, record every epoch, freeze, publish."""

import hashlib
import logging
from contextlib import AbstractContextManager

import torch
from threadpoolctl import threadpool_limits

from catvq.config import RunConfig
from catvq.errors import CheckpointError, Interrupted
from catvq.features.table import FeatureTable
from catvq.frozen.artifact import FrozenModel
from catvq.frozen.start_model import StartModel
from catvq.training.run import TrainingRun
from worker.jobs.heartbeat import STOPPED, Heartbeat
from worker.jobs.load_dataset import load_table
from worker.jobs.recorder import Recorder
from worker.jobs.steering import SteeringReplay
from worker.store import (
    CancelRequested,
    CheckpointRecord,
    Claim,
    LeaseLost,
    NotFound,
    Store,
)
from worker.store.database import durable_files

_log = logging.getLogger(__name__)


def model_id_of(job_id: str, token: int) -> str:
    """The id of the model that an attempt may publish, fixed in advance so that its files can be found."""
    return f"model_{hashlib.sha256(f'{job_id}/{token}'.encode()).hexdigest()[:24]}"


class TrainingAttempt:
    """One attempt at a training job."""

    def __init__(self, store: Store, claim: Claim, heartbeat: Heartbeat[Claim]) -> None:
        self._store = store
        self._claim = claim
        self._heartbeat = heartbeat
        self._recorder = Recorder(store, claim, heartbeat)

    def run(self) -> None:
        """Train and publish.

        Raises:
            Interrupted: The worker is stopping and the state is saved, or the job was lost.
        """
        job = self._claim.job
        threads = job.threads or 1
        torch.set_num_threads(threads)
        self._remove_leftovers()
        with threadpool_limits(limits=threads):
            with self._nothing_to_save():
                run = self._start_or_resume()
            self._train(run)
            with self._nothing_to_save():
                frozen = run.freeze()
            self._publish(run, frozen)

    def _nothing_to_save(self) -> AbstractContextManager[None]:
        return self._heartbeat.nothing_to_save(lambda: self._store.leases.release(self._claim, STOPPED))

    def _train(self, run: TrainingRun) -> None:
        checkpoint_every = run.config.training.checkpoint_every_epochs
        changes = self._claim.job.steering
        replay = SteeringReplay(changes, run, recorder=self._recorder, heartbeat=self._heartbeat)
        is_recorded = run.is_finished
        while not is_recorded:
            replay.apply_due()
            if not run.is_finished and not self._train_epoch(run, replay):
                continue
            self._recorder.record_epoch(run)
            if run.is_finished or run.epoch % checkpoint_every == 0:
                self._recorder.save_checkpoint(run, is_due=run.is_finished)
            is_recorded = run.is_finished

    def _train_epoch(self, run: TrainingRun, replay: SteeringReplay) -> bool:
        """Train to the end of the epoch; False when a steering change must be applied first."""
        try:
            run.train_epoch(lambda: self._heartbeat.should_stop() or replay.is_due())
        except Interrupted:
            if not self._heartbeat.should_stop():
                return False
            if not self._heartbeat.is_lost:
                self._recorder.save_checkpoint(run, is_due=True)
            raise
        return True

    def _publish(self, run: TrainingRun, frozen: FrozenModel) -> None:
        job = self._claim.job
        model_id = model_id_of(job.id, self._claim.token)
        staging = self._store.spool_dir / model_id
        try:
            frozen.save(staging)
        except OSError:
            durable_files.remove_directory(staging)
            raise
        self._recorder.add_event("frozen", digest=frozen.digest)
        self._heartbeat.persist(lambda: self._store.models.publish_files(model_id, staging))
        try:
            reading = self._store.datasets.get(job.dataset_id).reading
            document = frozen.document() | {"training_seconds": round(run.seconds, 1), "reading": reading}
            self._recorder.publish(model_id, document, frozen.digest)
        except (LeaseLost, CancelRequested):
            # The job is also no longer held after a commit whose confirmation was lost.
            if not self._is_published(model_id):
                self._store.models.remove_files(model_id)
                raise

    def _is_published(self, model_id: str) -> bool:
        try:
            self._store.models.get(model_id)
        except NotFound:
            return False
        return True

    def _start_or_resume(self) -> TrainingRun:
        job = self._claim.job
        config = RunConfig.from_dict(job.config)
        table, start_model = load_table(self._store, job.dataset_id, config), None
        if config.assignment.take == "weights" and job.start_model_id is not None:
            start_model = StartModel.read(self._store.models.directory(job.start_model_id))
            table = start_model.align(table)
        checkpoints = self._store.recordings.latest_checkpoints(self._claim)
        for record in checkpoints:
            try:
                run = self._resume(table, config, record)
            except CheckpointError as error:
                _log.warning("job %s: %s", job.id, error)
                self._recorder.add_event("warning", text=f"{error}; falling back to an earlier state")
                continue
            self._recorder.add_event("resumed", epoch=run.epoch, step=record.step)
            self._recorder.record_epoch(run)
            return run
        start_groups = None if job.start_model_id is None else self._store.models.groups(job.start_model_id)
        run = TrainingRun.start(table, config, start_groups, self._heartbeat.should_stop, start_model)
        self._recorder.record_epoch(run)
        return run

    def _remove_leftovers(self) -> None:
        """Remove model files that earlier attempts wrote but did not publish."""
        for token in range(1, self._claim.token):
            model_id = model_id_of(self._claim.job.id, token)
            self._store.models.remove_files(model_id)
            durable_files.remove_directory(self._store.spool_dir / model_id)

    def _resume(self, table: FeatureTable, config: RunConfig, record: CheckpointRecord) -> TrainingRun:
        try:
            path = self._store.recordings.fetch_checkpoint(self._claim, record)
            is_sound = durable_files.file_digest(path) == record.digest
        except OSError:
            is_sound = False
        if not is_sound:
            raise CheckpointError(f"checkpoint {record.file_name} is missing or corrupt")
        return TrainingRun.resume(table, config, path)
