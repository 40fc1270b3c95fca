"""Prints tables and JSON."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH_IN_A_PIPE = 160


def print_json(document: Any) -> None:
    """Print a document as JSON."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """Print a table; long cells are folded, and markup in names is not interpreted."""
    table = Table(title=title, title_justify="left", header_style="bold", show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH_IN_A_PIPE)
    console.print(table)


def print_fields(fields: dict[str, Any], title: str | None = None) -> None:
    """Print names and values below each other; None is shown as a dash."""
    print_table(("", ""), fields.items(), title)


def number(value: float | None) -> str:
    """Format a number with four significant digits."""
    return "-" if value is None else f"{value:.4g}"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
