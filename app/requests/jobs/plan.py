"""Fits a job's configuration to its dataset, and says what does not fit."""

import orjson

from app.http.error_handlers import naming
from app.problems import InvalidError, Place
from app.requests.jobs.devices import find_missing_devices
from app.requests.jobs.dry_run import InvalidPlanError, Plan, resolve_plan
from app.requests.jobs.row_weights import find_wrong_weights
from app.services import Services
from catvq.config import HeldOutPart
from worker.contract.job_config import JobRequest
from worker.store import DatasetRecord, NotFound


def plan_of(api: Services, request: JobRequest) -> Plan:
    """Return what the job would do.

    Raises:
        NotFoundError: There is no such dataset, of those that are named, or no such model to start from.
        InvalidError: The configuration cannot be trained on the dataset.
    """
    with naming("dataset"):
        dataset = api.store.datasets.get(request.dataset)
    start = request.assignment.model
    with naming("assignment.model"):
        groups = None if start is None else _groups_of(api, start)
        takes_weights = start is not None and request.assignment.take == "weights"
        document = api.store.models.get(start).document if start is not None and takes_weights else None
    held_out = _held_out(api, request)
    wrong = find_wrong_weights(api.store, request.training.sample_weight, [dataset, *held_out.values()])
    try:
        return resolve_plan(
            request.config,
            dataset,
            start_groups=groups,
            start_document=document,
            held_out=held_out,
            devices=api.devices,
            found=[*wrong, *find_missing_devices(request.training, api.devices)],
        )
    except InvalidPlanError as error:
        faults = [Place(detail=fault.message, field=fault.field, row=fault.row) for fault in error.errors]
        raise InvalidError(str(error), faults, code="invalid_config") from None


def find_shortage(api: Services, plan: Plan) -> InvalidError | None:
    """Return why no worker that is there can run a job; None where one can, or none is there."""
    needed = plan.estimate.memory_bytes
    largest = max((worker.memory_bytes for worker in api.store.workers.list()), default=needed)
    if needed <= largest:
        return None
    drivers = plan.estimate.driven_by
    listed = ", ".join(f"{name} {value}" for name, value in drivers.items())
    return InvalidError(
        f"the job would take about {needed >> 20} MiB of memory, more than the {largest >> 20} MiB that the "
        f"largest worker has; {f'that depends most on {listed}' if listed else 'any job takes most of that'}",
        [
            Place(detail=f"{value}: drives the need of memory", field=_field_of(name))
            for name, value in drivers.items()
        ],
        code="too_large_for_workers",
    )


def _held_out(api: Services, request: JobRequest) -> dict[HeldOutPart, DatasetRecord]:
    """The datasets that validate or test."""
    found: dict[HeldOutPart, DatasetRecord] = {}
    for part, dataset in request.training.held_out_datasets.items():
        with naming(f"training.split.{part}"):
            found[part] = api.store.datasets.get(dataset)
    return found


def _field_of(driver: str) -> str:
    return driver if "." in driver else "dataset"


def _groups_of(api: Services, key: str) -> dict[str, list[str]]:
    """Return the features of each category of a model."""
    model = api.store.models.get(key)
    try:
        grouping = orjson.loads((api.store.models.directory(model.id) / "grouping.json").read_bytes())
    except FileNotFoundError:  # deleted a moment ago
        raise NotFound("model", model.id) from None
    return {category["name"]: category["features"] for category in grouping["categories"]}
