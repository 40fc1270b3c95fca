"""The durable record of datasets, jobs, checkpoints and models: SQL rows and files. Imports no torch."""

from worker.store.database.errors import (
    CancelRequested,
    LeaseLost,
    NotFound,
    QuotaExceeded,
    StorageUnavailable,
    StoreError,
    StoreUnavailable,
    WrongFormat,
    is_disk_full,
)
from worker.store.jobs.comparisons import ComparisonRecord
from worker.store.jobs.pieces import PieceRecord, PieceStatus
from worker.store.jobs.statistics import Statistics
from worker.store.keys import KeyRecord, KeyRing, NewKey, Scope
from worker.store.records import (
    AliasRecord,
    Claim,
    DatasetRecord,
    JobError,
    JobRecord,
    ModelRecord,
    NewDataset,
    NewFiles,
    RequestedAction,
    Steering,
    Submission,
    WorkerRecord,
)
from worker.store.run_records import AssignmentRecord, CheckpointRecord, EventRecord, MetricRecord, Progress
from worker.store.store import Store

__all__ = [
    "AliasRecord",
    "AssignmentRecord",
    "CancelRequested",
    "CheckpointRecord",
    "Claim",
    "ComparisonRecord",
    "DatasetRecord",
    "EventRecord",
    "JobError",
    "JobRecord",
    "KeyRecord",
    "KeyRing",
    "LeaseLost",
    "MetricRecord",
    "ModelRecord",
    "NewDataset",
    "NewFiles",
    "NewKey",
    "NotFound",
    "PieceRecord",
    "PieceStatus",
    "Progress",
    "QuotaExceeded",
    "RequestedAction",
    "Scope",
    "Statistics",
    "Steering",
    "StorageUnavailable",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "Submission",
    "WorkerRecord",
    "WrongFormat",
    "is_disk_full",
]
