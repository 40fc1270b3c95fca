"""Writes small tables in HTML, for notebooks; all text is escaped and bounded."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

MAX_FIELDS, MAX_ITEMS, MAX_TEXT = 60, 12, 300
MAX_ROWS, MAX_COLUMNS = 60, 40
SHADE = "11, 92, 173"


def fields_table(title: str, fields: Mapping[str, Any]) -> str:
    """Return a table of names and values."""
    shown = list(fields.items())[:MAX_FIELDS]
    rows = "".join(
        f"<tr><th>{escape(str(name))}</th><td>{escape(_text(value))}</td></tr>" for name, value in shown
    )
    return (
        f"<table><caption>{escape(title)}</caption>{rows}{_rest(len(fields) - len(shown), 'fields')}</table>"
    )


def shares_table(rows: Sequence[str], columns: Sequence[str], shares: Sequence[Sequence[float]]) -> str:
    """Return a heat map: one row for each feature, one column for each category."""
    if not shares:
        return "<p>no assignment yet</p>"
    head = "".join(f"<th>{escape(name)}</th>" for name in columns[:MAX_COLUMNS])
    body = "".join(
        f"<tr><th>{escape(name)}</th>{''.join(map(_share, line[:MAX_COLUMNS]))}</tr>"
        for name, line in zip(rows[:MAX_ROWS], shares, strict=False)
    )
    rest = _rest(len(rows) - MAX_ROWS, "features") + _rest(len(columns) - MAX_COLUMNS, "categories")
    return f"<table><tr><th></th>{head}</tr>{body}{rest}</table>"


def _share(value: float) -> str:
    return f'<td style="background: rgba({SHADE}, {value:.3f})">{value:.2f}</td>'


def _rest(count: int, what: str) -> str:
    return f"<tr><td>and {count} more {what}</td></tr>" if count > 0 else ""


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        text = ", ".join(f"{name}: {_text(each)}" for name, each in list(value.items())[:MAX_ITEMS])
    elif isinstance(value, list | tuple):
        more = f", ... ({len(value)})" if len(value) > MAX_ITEMS else ""
        text = ", ".join(map(_text, value[:MAX_ITEMS])) + more
    else:
        text = "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."
