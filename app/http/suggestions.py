"""Says which known name an unknown one was probably meant to be."""

from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel

MAX_LENGTH = 100  # of a name that is compared; longer ones are no misspellings


def unknown_field(name: str, known: Iterable[str]) -> str:
    """Return the text of an error about an unknown field."""
    near = get_close_matches(name, known, n=1) if len(name) <= MAX_LENGTH else []
    return f"unknown field; did you mean {near[0]!r}?" if near else "unknown field"


def fields_at(model: Any, path: Sequence[int | str]) -> Iterable[str]:
    """Return the names of the fields at a path inside a body, none where it is not an object of known fields.

    Args:
        model: The type of the body.
        path: Field names; the names of union members, which pydantic inserts, are skipped.
    """
    known = _fields_of(model)
    for part in path:
        if part in known:
            kinds = (known[str(part)], *get_args(known[str(part)]))
            known = next((found for kind in kinds if (found := _fields_of(kind))), {})
    return tuple(known)


def _fields_of(kind: Any) -> dict[str, Any]:
    """The fields of a model or a dataclass and their types; none of anything else."""
    if is_dataclass(kind):
        types = get_type_hints(kind)
        return {field.name: types[field.name] for field in fields(kind)}
    is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
    return {name: field.annotation for name, field in kind.model_fields.items()} if is_model else {}
