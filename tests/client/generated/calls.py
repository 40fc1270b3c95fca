"""Calls every operation of a generated client: `python calls.py URL ADMIN_KEY`, beside `generated`.

Runs in the generator's environment, so it knows nothing of catvq but what the client says.
"""

import pkgutil
import sys
import time
from importlib import import_module

from generated import AuthenticatedClient, api, models

ROWS = [[float((row * step) % 7) for step in (1, 2, 3, 5)] for row in range(60)]
NAMES = ["a0", "a1", "b0", "b1"]

client = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2], raise_on_unexpected_status=True)
operations = {
    name: import_module(f"generated.api.{tag}.{name}")
    for _, tag, _ in pkgutil.iter_modules(api.__path__)
    for _, name, _ in pkgutil.iter_modules(import_module(f"generated.api.{tag}").__path__)
}
uncalled = set(operations)


def call(name, *arguments, status=200, **others):
    """Return what the client makes of the answer, which must have that status."""
    uncalled.discard(name)
    answer = operations[name].sync_detailed(*arguments, client=client, **others)
    assert answer.status_code == status, f"{name}: {answer.status_code} {answer.content[:500]}"
    assert not isinstance(answer.parsed, models.Problem), name
    return answer.parsed


def submit(dataset, epochs):
    """Post a job that is small and quick but for its epochs; return its id."""
    body = {
        "dataset": dataset,
        "model": {"categories": 2, "levels": 1, "hidden_dim": 8, "embedding_dim": 4},
        "assignment": {"estimator": "softmax"},  # the quickest
        "training": {"epochs": epochs},
        "report": {"baselines": False},
    }
    return call("create_job", body=models.JobRequest.from_dict(body), status=202).id


def wait(job, *statuses):
    """Return the job as soon as it has one of these."""
    deadline = time.monotonic() + 120
    while (found := call("get_job", job, prefer="wait=1")).status not in statuses:
        assert time.monotonic() < deadline, found
    return found


def look_at_the_service():
    """What needs nothing stored."""
    for name in ("get_service_info", "get_service_metrics", "is_alive", "is_ready", "list_workers"):
        call(name)
    for name in ("describe_server", "is_server_live", "is_server_ready"):
        call(name)
    key = call("create_key", body=models.KeyRequest(scope=models.Scope.READ), status=201)
    call("rotate_key", key.id)
    assert key.id in {listed.id for listed in call("list_keys").items}
    call("revoke_key", key.id, status=204)


def use_model(model):
    """Ask a model everything."""
    for name in ("get_model", "get_grouping", "get_model_assignment", "get_codebook", "get_report"):
        call(name, model)
    assert call("get_artifact", model).payload.read()
    assert call("compare_models", model, to=model).agreement == 1
    assert model in {listed.id for listed in call("list_models").items}
    body = {"rows": ROWS, "columns": NAMES}
    request = models.CreateEncodingsJsonEncodingRequest.from_dict(body)
    codes = call("create_encodings", model, body=request).codes
    assert len(codes) == len(ROWS)
    request = models.CreateDecodingsJsonDecodingRequest.from_dict({"codes": codes})
    call("create_decodings", model, body=request)
    tensor = {"name": "rows", "shape": [1, 4], "datatype": "FP32", "data": ROWS[0]}
    request = models.InferenceRequest.from_dict({"inputs": [tensor]})
    for suffix, place in (("", (model,)), ("_of_version", (model, "1"))):
        call(f"describe_model{suffix}", *place)
        call(f"is_model_ready{suffix}", *place)
        assert call(f"infer{suffix}", *place, body=request).outputs[0].data == codes[0]
    call("put_alias", "generated", body=models.AliasRequest(model=model), status=201)
    assert call("get_alias", "generated").model == model
    call("list_aliases")
    call("delete_alias", "generated", status=204)


def steer(job):
    """Stop a long job and let it go on, in every way there is."""
    wait(job, "running")
    call("pause_job", job, status=202)
    wait(job, "paused")
    call("resume_job", job, status=202)
    wait(job, "running")
    call("steer_temperature", job, body=models.TemperatureChangeType0(held=True))
    call("finish_job", job, status=202)
    return wait(job, "succeeded").model


def main():
    """From a table to nothing left."""
    look_at_the_service()
    dataset = call("create_dataset", body={"rows": ROWS, "columns": NAMES}, status=201).id
    assert call("get_dataset", dataset).features == NAMES
    call("get_dataset_rows", dataset)
    call("list_datasets")
    quick, steered = submit(dataset, 1), submit(dataset, 100_000)
    model = wait(quick, "succeeded").model
    for name in (
        "get_job_assignment",
        "get_job_metrics",
        "get_temperature",
        "list_checkpoints",
        "list_events",
    ):
        call(name, quick)
    use_model(model)
    other = steer(steered)
    stopped = submit(dataset, 100_000)
    call("cancel_job", stopped, status=202)
    wait(stopped, "cancelled")
    call("retry_job", stopped, status=202)
    call("cancel_job", stopped, status=202)
    wait(stopped, "cancelled")
    request = models.EncodingJobRequest(dataset=dataset)
    encoding = call("create_encoding_job", model, body=request, status=202).id
    codes = wait(encoding, "succeeded").result
    assert {quick, steered, stopped, encoding} <= {job.id for job in call("list_jobs").items}
    for job in (quick, steered, stopped, encoding):
        call("delete_job", job, status=204)
    for each in (model, other):
        call("delete_model", each, status=204)
    for each in (dataset, codes):
        call("delete_dataset", each, status=204)
    assert not uncalled, f"never called: {sorted(uncalled)}"
    print(len(operations))


main()
