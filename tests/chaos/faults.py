"""What is not as it should be once all jobs have ended: results lost, doubled, or unlike their twins'."""

from collections import Counter

import numpy as np
import torch

from catvq.frozen.table_encoder import TableEncoder
from worker.contract.job_config import JobKind, JobStatus


def find_faults(service, plan, outcome):
    """Everything that is not as it should be; empty when nothing was lost, doubled or changed."""
    store = service.store
    faults = [f"{kind}: only {count}" for kind, count in outcome.struck.items() if count < plan.blows]
    if len(outcome.jobs) < plan.jobs or len(outcome.twins) != plan.seeds:
        faults.append(f"only {len(outcome.jobs)} jobs and {len(outcome.twins)} twins were submitted")
    known = {*outcome.jobs, *outcome.twins.values(), *outcome.repeats.values()}
    stored = all_of(store.jobs.list)
    if {job.id for job in stored} != known or len(stored) != len(known):
        faults.append(f"{len(stored)} jobs are stored, {len(known)} were submitted")
    models, datasets = all_of(store.models.list), all_of(store.datasets.list)
    results = Counter(model.job_id for model in models)
    results.update(job.id for job in stored for dataset in datasets if dataset.id == job.result_dataset_id)
    for job in stored:
        if job.status is not JobStatus.SUCCEEDED or results[job.id] != 1:
            faults.append(f"{job.id} is {job.status} ({job.status_reason}) with {results[job.id]} results")
        faults += stale_writes(job.id, store.jobs.events(job.id, limit=100_000))
    if len(models) + len(datasets) != len(stored) + len(outcome.datasets):
        faults.append(f"{len(models)} models and {len(datasets)} datasets of {len(stored)} jobs")
    files = set(store.files.names("models"))
    if files != {model.id for model in models}:
        faults.append(f"{len(files)} directories of models, {len(models)} models")
    return faults + differences(store, outcome, {job.id: job for job in stored})


def differences(store, outcome, stored):
    """Results that are not those of their twins, and codes that are not those of all rows in one piece."""
    faults = []
    for job_id, seed in outcome.jobs.items():
        twin = stored[outcome.repeats.get(job_id, outcome.twins[seed])]
        if contents(store, stored[job_id]) != contents(store, twin):
            faults.append(f"{job_id} differs from its twin of seed {seed}")
    encodings = [job for job in stored.values() if job.kind is JobKind.ENCODING]
    if encodings and contents(store, encodings[0]) != encode(store, outcome):
        faults.append(f"{encodings[0].id} differs from the codes of all rows in one piece")
    return faults


def stale_writes(job_id, events):
    """Writes of a worker whose job had been given to another by then."""
    faults, current = [], None
    for event in events:
        if event.type in {"started", "released"}:
            current = event.data.get("token")
        elif "token" in event.data and event.data["token"] != current:
            faults.append(f"{job_id}: {event.type} with token {event.data['token']}, not {current}")
    published = [event for event in events if event.type == "published"]
    if len(published) > 1:
        faults.append(f"{job_id} was published {len(published)} times")
    return faults


def contents(store, job):
    """The files of a job's model that hold what was learnt, or the codes of its dataset."""
    if job.kind is JobKind.ENCODING:
        return np.load(store.datasets.values_path(job.result_dataset_id)).tobytes()
    directory = store.models.directory(job.model_id)
    names = ("assignment.npy", "grouping.json", "codebook.json", "encoder.onnx", "decoder.onnx")
    return {name: (directory / name).read_bytes() for name in names}


def encode(store, outcome):
    """What an encoding gives: the codes of all rows by the first twin's model, in one piece."""
    encoder = TableEncoder.read(store.models.directory(outcome.model), torch.device("cpu"))
    codes = encoder.encode(np.load(store.datasets.values_path(outcome.datasets["long"])))
    return codes.astype("<f4").tobytes()


def all_of(list_page):
    items, cursor = [], None
    while True:
        page = list_page(limit=500, cursor=cursor)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items
