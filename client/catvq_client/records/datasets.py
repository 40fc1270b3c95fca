"""Records of datasets."""

from catvq_client.records.base import Record


class Family(Record):
    """A named block of features: of columns, or the channels of series (with the lengths) or grids."""

    features: int
    kind: str = "tabular"
    length: dict[str, int] | None = None
    shape: tuple[int, int] | None = None


class Notice(Record):
    """A warning about a table, such as missing values."""

    code: str
    detail: str
    column: str | None = None


class Column(Record):
    """A column of a table; values are those of a categorical one, origin is when a datetime one begins."""

    name: str
    type: str
    family: str | None = None
    values: tuple[str, ...] | None = None
    origin: str | None = None
    missing: int | None = None


class LeftOut(Record):
    """A column of the file that is neither learnt from nor kept."""

    name: str
    reason: str


class CellReading(Record):
    """What was said of cells; rows to encode are read in the same way."""

    na_values: tuple[str | float, ...] = ()
    date_order: str = "year"


class Preview(Record):
    """How a table would be read."""

    name: str | None = None
    rows: int
    features: tuple[str, ...]
    families: dict[str, Family]
    columns: tuple[Column, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    reading: CellReading = CellReading()
    warnings: tuple[Notice, ...] = ()


class Dataset(Preview):
    """An uploaded table."""

    id: str
    digest: str
