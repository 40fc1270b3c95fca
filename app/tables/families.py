"""Families of features: named by the user, by a prefix rule, or by the arrays of a file."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from app.problems import InvalidError, Place
from app.tables.channels.arrays import LENGTHS, OFFSETS, VALUES, sort_arrays
from app.tables.channels.family import feature_names
from app.tables.columns.options import ReadOptions
from app.tables.table import (
    MAX_NAME_LENGTH,
    SPACES,
    SPACES_TAKEN_OFF,
    Table,
    TableLimits,
    check_names,
    check_width,
    fault_of_name,
    is_real,
    rows_per_block,
)

ONE_FAMILY = "features"  # the family of a table that names none
ROWS = "rows"  # the array of a file that holds the columns in a model's order
_PREFIX_RULE = "prefix:"

Families = dict[str, list[str]]


def table_of_arrays(arrays: Mapping[str, NDArray[Any]], options: ReadOptions, limits: TableLimits) -> Table:
    """Make a table of arrays by their shapes and names: see `sort_arrays`.

    Raises:
        InvalidError: There is no array, their rows differ in number, or one cannot be used.
    """
    names = check_names([name.strip(SPACES) for name in arrays], limits, "families")
    named = dict(zip(names, arrays.values(), strict=True))
    found = sort_arrays(
        {name: array for name, array in named.items() if not _stays_unread(name, array, options)},
        options,
        limits,
    )
    rows = {name: len(array) for name, array in found.tables.items()}
    rows |= {name: family.rows for name, family in found.channels.items()}
    if len(set(rows.values())) > 1:
        faults = [Place(detail=f"{count} rows", field=name) for name, count in rows.items()]
        raise InvalidError(
            f"the arrays differ in their number of rows: {rows}"[:500], faults, code="ragged_row"
        )
    table = _join(found.tables, limits) if found.tables else Table((), lambda: iter(()), has_names=True)
    remarks = () if names == tuple(arrays) else (SPACES_TAKEN_OFF,)
    return replace(table, family_widths=table.family_widths or {}, channels=found.channels, remarks=remarks)


def _stays_unread(name: str, array: NDArray[Any], options: ReadOptions) -> bool:
    """Whether an array is no numbers, and nothing that a model knows."""
    if options.known is None or is_real(array.dtype):
        return False
    family = name.removesuffix(LENGTHS).removesuffix(VALUES).removesuffix(OFFSETS)
    return family not in {*options.kinds, *options.known, ROWS} and f"{name}_0" not in options.known


def _join(arrays: Mapping[str, NDArray[Any]], limits: TableLimits) -> Table:
    """Put arrays [rows, features of one family] side by side; features are named family_0, family_1, ..."""
    widths = {name: array.shape[1] for name, array in arrays.items()}
    check_width(sum(widths.values()), limits)  # before so many names are made
    names = [f"{family}_{index}" for family, width in widths.items() for index in range(width)]
    return Table(
        columns=check_names(names, limits),
        blocks=lambda: _side_by_side(list(arrays.values())),
        has_names=False,
        family_widths=widths,
    )


def _side_by_side(arrays: list[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    step = rows_per_block(sum(array.shape[1] for array in arrays))
    for start in range(0, arrays[0].shape[0], step):
        # One family may be integers, another single floats: float64 holds both.
        yield np.column_stack([array[start : start + step].astype(np.float64) for array in arrays])


def families_of(table: Table, asked: str | None) -> Families:
    """Return the features of each family: those of columns in their order, then series and grids.

    Args:
        table: Its own families hold when it has some.
        asked: JSON `{family: [feature, ...]}` of the columns, `prefix:` and a separator, or None.

    Raises:
        InvalidError: It has another form, or a feature is in no family, in two, or unknown.
    """
    families = _of_columns(table, table.columns, asked)
    for family, found in table.channels.items():
        if family in families:
            raise _invalid(f"columns and a series or grid are both called the family {family!r}")
        families[family] = feature_names(family, found.channels)
    return families


def _of_columns(table: Table, columns: tuple[str, ...], asked: str | None) -> Families:
    if table.family_widths is not None:
        if asked is not None:
            raise _invalid("the file names its families itself, so families= does not apply")
        return _cut(table.family_widths, columns)
    if not columns and asked is None:
        return {}
    if asked is None:
        return {ONE_FAMILY: list(columns)}
    if asked.startswith(_PREFIX_RULE):
        return _by_prefix(columns, asked.removeprefix(_PREFIX_RULE))
    return _by_name(columns, _parse(asked))


def _cut(widths: Mapping[str, int], columns: tuple[str, ...]) -> Families:
    families: Families = {}
    start = 0
    for name, width in widths.items():
        families[name] = list(columns[start : start + width])
        start += width
    return families


def _by_prefix(columns: tuple[str, ...], separator: str) -> Families:
    if not separator:
        raise _invalid("prefix: needs the separator that ends a prefix, such as prefix:_")
    families: Families = {}
    for name in columns:
        families.setdefault(name.partition(separator)[0], []).append(name)
    if "" in families:
        name = families[""][0]
        raise _invalid(f"{name!r} begins with the separator", [Place(detail="no prefix", column=name)])
    return families


def _parse(asked: str) -> Families:
    try:
        families = orjson.loads(asked)
    except orjson.JSONDecodeError as error:
        raise _invalid(f"families= is neither JSON nor a prefix rule: {error}") from None
    if not isinstance(families, dict) or not all(isinstance(names, list) for names in families.values()):
        raise _invalid('families= needs JSON such as {"family": ["feature", ...]}')
    for family, names in families.items():
        if not names or not all(isinstance(name, str) for name in names):
            raise _invalid(f"family {family!r} needs a list of at least one feature's name")
        if fault := fault_of_name(family):
            raise _invalid(f"the family {family[:MAX_NAME_LENGTH]!r} {fault}")
    return families


def _by_name(columns: tuple[str, ...], asked: Families) -> Families:
    position = {name: index for index, name in enumerate(columns)}
    owner: dict[str, str] = {}
    faults: list[Place] = []
    for family, names in asked.items():
        for name in names:
            if name not in position:
                faults.append(Place(detail=f"family {family!r}: no such feature", column=name))
            elif name in owner:
                faults.append(Place(detail=f"in the families {owner[name]!r} and {family!r}", column=name))
            owner[name] = family
    faults += [Place(detail="in no family", column=name) for name in columns if name not in owner]
    if faults:
        raise _invalid(
            f"every feature belongs to one family; {faults[0].column!r}: {faults[0].detail}", faults
        )
    return {family: sorted(names, key=position.__getitem__) for family, names in asked.items()}


def _invalid(detail: str, places: list[Place] | None = None) -> InvalidError:
    return InvalidError(detail, places or [Place(detail=detail, field="families")], code="invalid_families")
