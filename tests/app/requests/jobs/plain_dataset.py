"""A dataset of five features in two families, as the store describes one."""

from datetime import UTC, datetime

from worker.store import DatasetRecord

FAMILIES = {"a": ["a0", "a1", "a2"], "b": ["b0", "b1"]}
FEATURES = [name for members in FAMILIES.values() for name in members]


def dataset(rows=100, *, key="ds_1", features=FEATURES, columns=()):
    return DatasetRecord(
        id=key,
        name=None,
        features=features,
        families=FAMILIES,
        columns=[
            {"name": name, "type": kind, "origin" if kind == "datetime" else "values": of}
            for name, kind, of in columns
        ],
        digest="",
        rows=rows,
        warnings=[],
        created_at=datetime.now(UTC),
    )
