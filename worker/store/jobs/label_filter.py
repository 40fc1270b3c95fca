"""Queries for the jobs that have given labels, read in the order of the list."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from worker.store.database.schema import job_labels, jobs


def select_labelled(labels: Mapping[str, str]) -> tuple[sa.Select[Any], sa.ColumnElement[int]]:
    """A query for jobs that have all labels, and the column that orders it."""
    if not labels:
        return sa.select(jobs), jobs.c.seq
    first, *others = (_labelled(name, value) for name, value in labels.items())
    query = sa.select(jobs, first.c.seq).join(first, first.c.seq == jobs.c.seq)
    for other in others:
        query = query.join(other, other.c.job_id == jobs.c.id)
    return query, first.c.seq


def _labelled(name: str, value: str) -> sa.Subquery:
    return sa.select(job_labels).where(job_labels.c.name == name, job_labels.c.value == value).subquery()
