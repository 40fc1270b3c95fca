"""Command `catvq train`: submits a training job from a configuration file."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console

from catvq_client.calls import DEFAULT_URL
from catvq_client.commands.display import print_json
from catvq_client.commands.following import follow
from catvq_client.commands.session import JsonOption, UrlOption, connected, fail, say
from catvq_client.errors import ConfigFileError
from catvq_client.job_files.config_file import read_config_file
from catvq_client.job_files.family_file import FAMILY_SUFFIXES, open_families
from catvq_client.job_files.run_file import RunFile
from catvq_client.records import Dataset, Job
from catvq_client.synchronous.client import Client
from catvq_client.tables.files import MEDIA_TYPES


def train(
    config: Annotated[
        Path,
        typer.Option("--config", help="YAML or JSON file, with the API's names or the published layout."),
    ],
    *,
    learnable: Annotated[
        bool, typer.Option("--learnable", help="Learn the assignment; overrides the file.")
    ] = False,
    is_followed: Annotated[
        bool, typer.Option("--follow", help="Show progress until the job has ended.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show the job's plan before it is submitted.")
    ] = False,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="Id of a dataset, or a file to upload; overrides the file."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="A name for the job.")] = None,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """Train a model with the settings of a configuration file."""
    with connected(url) as client:
        run_file = _with_dataset(read_config_file(config), dataset)
        for ignored in run_file.ignored_keys:
            say(f"no effect: {ignored}", style="yellow")
        if run_file.dataset is not None and (run_file.families or run_file.family_names):
            say(f"no effect: families: {run_file.dataset} has its own", style="yellow")
        request = _request(run_file, learnable=learnable, name=name)
        request["dataset"] = _dataset_id(client, run_file)
        if verbose or run_file.is_verbose:
            say(yaml.safe_dump(client.jobs.plan(request), sort_keys=False, allow_unicode=True))
        job = client.jobs.submit(request)
        say(f"{job.id} is {job.status}")
        if is_followed:
            job = follow(client, job.id, Console(stderr=True))
        _finish(job, as_json=as_json)


def _with_dataset(run_file: RunFile, dataset: str | None) -> RunFile:
    if dataset is not None and Path(dataset).is_file():
        run_file = replace(run_file, dataset=None, dataset_path=Path(dataset))
    elif dataset is not None:
        run_file = replace(run_file, dataset=dataset, dataset_path=None)
    if run_file.dataset is not None and Path(run_file.dataset).suffix.lower() in MEDIA_TYPES:
        raise ConfigFileError(f"{run_file.dataset}: no such file")
    return run_file


def _dataset_id(client: Client, run_file: RunFile) -> str:
    if run_file.dataset is not None:
        return run_file.dataset
    if run_file.dataset_path is None:
        raise ConfigFileError("no dataset: set dataset_path or dataset in the file, or give --dataset")
    return _upload(client, run_file.dataset_path, run_file).id


def _request(run_file: RunFile, *, learnable: bool, name: str | None) -> dict[str, Any]:
    request = dict(run_file.job)
    if learnable:
        request["assignment"] = {**(request.get("assignment") or {}), "mode": "learnable"}
    if name is not None:
        request["name"] = name
    return request


def _upload(client: Client, path: Path, run_file: RunFile) -> Dataset:
    if run_file.family_names and path.suffix.lower() in FAMILY_SUFFIXES:
        with open_families(path, run_file.family_names) as families:
            dataset = client.datasets.upload(families, name=path.stem)
    else:
        dataset = client.datasets.upload(path, name=path.stem, families=run_file.families)
    sizes = f"{len(dataset.features)} features in {len(dataset.families)} families"
    say(f"{dataset.id}: {dataset.rows} rows, {sizes}")
    for warning in dataset.warnings:
        say(f"warning: {warning.detail}", style="yellow")
    return dataset


def _finish(job: Job, *, as_json: bool) -> None:
    if as_json:
        print_json(job.document())
    if job.status in {"failed", "cancelled"}:
        fail(f"{job.id} {job.status}: {job.reason or 'no reason was given'}")
    if job.model is not None and not as_json:
        say(f"model {job.model}; see `catvq grouping {job.model}`")
