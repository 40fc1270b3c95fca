"""How a table is to be read: the query parameters of an upload, checked."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, Self, TypeVar, get_args

import orjson

from app.problems import InvalidError, Place

Kind = Literal["numeric", "categorical", "datetime", "key", "ignore"]
DateOrder = Literal["year", "day", "month"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FamilyKind = Literal["tabular", "series", "grid"]
FAMILY_KINDS: tuple[FamilyKind, ...] = get_args(FamilyKind)
DATE_ORDERS: tuple[DateOrder, ...] = get_args(DateOrder)
Choice = TypeVar("Choice", bound=str)

# Those of pandas; the last are how Windows writes NaN.
MISSING_WORDS = (
    *("", "NA", "N/A", "n/a", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None", "<NA>"),
    *("#N/A", "#NA", "#N/A N/A", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How to read a table.

    Args:
        types: What columns are; those of no type are looked at.
        include: Names or globs of the columns to learn from; None: all.
        exclude: Names or globs of columns to leave out.
        na_values: What stands for a missing cell beside the usual words; numbers match by value.
        delimiter: Between the cells of CSV.
        decimal: Before the decimals of CSV.
        date_order: What dates in text may begin with; those with the year first are always read.
        has_header: Whether the first line of CSV holds names.
        columns: Names of the columns, for a file without.
        kinds: What families are, where a shape alone does not tell; with `known`: the series and grids to
            read, and no others.
        channels: The names of the channels of families, without the family.
        known: The features to read and nothing else, each with its values where it is categorical; what
            is no number in others is then an error. None: look at the columns.
        origins: From when those of the known features that are times count their seconds.
    """

    types: Mapping[str, Kind] = field(default_factory=dict)
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    na_values: tuple[str | float, ...] = ()
    delimiter: str = ","
    decimal: str = "."
    date_order: DateOrder = "year"
    has_header: bool = True
    columns: tuple[str, ...] | None = None
    kinds: Mapping[str, FamilyKind] = field(default_factory=dict)
    channels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    known: Mapping[str, tuple[str, ...] | None] | None = None
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def missing_words(self) -> tuple[str, ...]:
        """Texts that stand for a missing cell."""
        return MISSING_WORDS + tuple(value for value in self.na_values if isinstance(value, str))

    @property
    def missing_numbers(self) -> tuple[float, ...]:
        """Numbers that stand for a missing cell."""
        return tuple(float(value) for value in self.na_values if not isinstance(value, str))

    @property
    def missing_numerals(self) -> tuple[float, ...]:
        """Numbers of which some spelling stands for a missing cell."""
        return tuple(float(value) for value in self.na_values if _is_numeral(value))

    @property
    def of_cells(self) -> dict[str, Any]:
        """What is said of cells, in JSON's types: a model goes by it as its dataset did."""
        return {"na_values": list(self.na_values), "date_order": self.date_order}

    @property
    def changes_plain_numbers(self) -> bool:
        """Whether even a table of numbers alone has to be looked at column by column."""
        return bool(self.types or self.include is not None or self.exclude or self.na_values)

    @property
    def has_categories(self) -> bool:
        """Whether some of the known features are categorical."""
        return self.known is not None and any(values is not None for values in self.known.values())

    def is_wanted(self, *names: str) -> bool:
        """Whether a column, which may have several names, is among those to read."""
        is_included = self.include is None or any(_matches(name, self.include) for name in names)
        return is_included and not any(_matches(name, self.exclude) for name in names)

    def dump(self) -> str:
        """The options as JSON, the inverse of `load`."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def load(cls, text: str) -> Self:
        """The options that `dump` wrote."""
        document = orjson.loads(text)
        known = document["known"]
        return cls(
            types=document["types"],
            include=None if document["include"] is None else tuple(document["include"]),
            exclude=tuple(document["exclude"]),
            na_values=tuple(document["na_values"]),
            delimiter=document["delimiter"],
            decimal=document["decimal"],
            date_order=document["date_order"],
            has_header=document["has_header"],
            columns=None if document["columns"] is None else tuple(document["columns"]),
            kinds=document["kinds"],
            channels={family: tuple(names) for family, names in document["channels"].items()},
            known=None
            if known is None
            else {name: None if values is None else tuple(values) for name, values in known.items()},
            origins=document["origins"],
        )


def parse_options(query: Mapping[str, Any]) -> ReadOptions:
    """Check the parameters of a query, texts or None; others than those of the options are not looked at.

    Raises:
        InvalidError: One has another form; it is named.
    """
    return ReadOptions(
        types=_parse_choices("types", query.get("types"), '{"column": "categorical"}', KINDS),
        include=parse_names("include", query.get("include")),
        exclude=parse_names("exclude", query.get("exclude")) or (),
        na_values=_parse_na_values(query.get("na_values")),
        delimiter=_parse_delimiter(query.get("delimiter")),
        decimal=_one_of("decimal", query.get("decimal") or ".", (".", ",")),
        date_order=_one_of("date_order", query.get("date_order") or "year", DATE_ORDERS),
        has_header=_one_of("header", query.get("header") or "present", ("present", "absent")) == "present",
        columns=parse_names("columns", query.get("columns")),
        kinds=_parse_choices("kinds", query.get("kinds"), '{"family": "series"}', FAMILY_KINDS),
        channels=_parse_channels(query.get("channels")),
    )


def check_types_are_of(names: Sequence[str], types: Mapping[str, Kind]) -> None:
    """Raise `InvalidError` where a type is given for a column that is not there."""
    there = set(names)
    unknown = [name for name in types if name not in there]
    if unknown:
        faults = [Place(detail="no such column", field="types", column=name) for name in unknown]
        raise InvalidError(f"types= names {unknown[0]!r}, which is no column of the table", faults)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def _is_numeral(value: str | float) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _parse_choices(
    field_name: str, text: str | None, example: str, allowed: tuple[Choice, ...]
) -> dict[str, Choice]:
    found = _load_object(field_name, text, example)
    for name, choice in found.items():
        if choice not in allowed:
            raise _refused(
                field_name,
                f"{name!r} has the {field_name[:-1]} {choice!r}; needs one of {', '.join(allowed)}",
            )
    return found


def _parse_channels(text: str | None) -> dict[str, tuple[str, ...]]:
    channels = _load_object("channels", text, '{"family": ["x", "y"]}')
    found: dict[str, tuple[str, ...]] = {}
    for family, names in channels.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise _refused("channels", f"{family!r} needs a list of names")
        found[family] = tuple(name.strip() for name in names)
        if len(set(found[family])) < len(names) or "" in found[family]:
            raise _refused("channels", f"{family!r} needs names that differ, and none that is empty")
    return found


def parse_names(field_name: str, text: str | None) -> tuple[str, ...] | None:
    """Return a JSON list of names; None for None.

    Raises:
        InvalidError: It is something else.
    """
    if text is None:
        return None
    names = _load(field_name, text, "a JSON list of names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _refused(field_name, "needs a JSON list of names")
    return tuple(names)


def _parse_na_values(text: str | None) -> tuple[str | float, ...]:
    if text is None:
        return ()
    values = _load("na_values", text, 'a JSON list such as ["-", -999]')
    is_fine = isinstance(values, list) and all(type(value) in {str, int, float} for value in values)
    if not is_fine:
        raise _refused("na_values", 'needs a JSON list of texts and numbers such as ["-", -999]')
    return tuple(values)


def _parse_delimiter(text: str | None) -> str:
    if text is None:
        return ","
    character = {"\\t": "\t", "tab": "\t", "space": " "}.get(text, text)
    is_mark = character.isascii() and character.isprintable() and not character.isalnum()
    if len(character) != 1 or not (is_mark or character == "\t") or character == '"':
        raise _refused("delimiter", f"needs one character such as ; or tab, not {text!r}")
    return character


def _one_of(field_name: str, value: str, allowed: tuple[Choice, ...]) -> Choice:
    for choice in allowed:
        if choice == value:
            return choice
    raise _refused(field_name, f"needs one of {' '.join(allowed)}, not {value!r}")


def _load_object(field_name: str, text: str | None, example: str) -> dict[str, Any]:
    """Return a JSON object; an empty one for None."""
    wanted = f"a JSON object such as {example}"
    found = {} if text is None else _load(field_name, text, wanted)
    if not isinstance(found, dict):
        raise _refused(field_name, f"needs {wanted}")
    return found


def _load(field_name: str, text: str, wanted: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _refused(field_name, f"needs {wanted}: {error}") from None


def _refused(field_name: str, detail: str) -> InvalidError:
    return InvalidError(f"{field_name}= {detail}", [Place(detail=detail, field=field_name)])
