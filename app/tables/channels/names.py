"""Names the channels of families, and checks what was said of families."""

from collections.abc import Collection

from app.problems import InvalidError, Place
from app.tables.columns.options import FamilyKind, ReadOptions
from app.tables.table import TableLimits


def name_channels(family: str, width: int, options: ReadOptions, limits: TableLimits) -> tuple[str, ...]:
    """Return the names of a family's channels: those that were sent, or 0, 1, ...

    Raises:
        InvalidError: It has no channels, or more than the limit, or another number of names was sent.
    """
    sent = options.channels.get(family)
    if width == 0:
        detail = "it has no channels"
        raise InvalidError(f"family {family!r}: {detail}", [Place(detail=detail, field=family)])
    if width > limits.max_features:  # before so many names are made
        detail = f"it has {width} channels; at most {limits.max_features} are taken"
        place = Place(detail=detail, field=family)
        raise InvalidError(f"family {family!r}: {detail}", [place], code="too_many_features")
    if sent is None:
        return tuple(map(str, range(width)))
    if len(sent) != width:
        detail = f"{len(sent)} names of channels for {width} channels"
        place = Place(detail=detail, field=f"channels.{family}")
        raise InvalidError(f"family {family!r}: {detail}", [place], code="wrong_channels")
    return sent


def check_kind(family: str, kind: FamilyKind, options: ReadOptions) -> None:
    """Raise `InvalidError` where a family was said to be of another kind than it is."""
    asked = options.kinds.get(family, kind)
    if asked != kind:
        detail = f"it cannot be of the kind {asked}; it is a {kind}"
        place = Place(detail=detail, field=f"kinds.{family}")
        raise InvalidError(f"family {family!r}: {detail}", [place], code="wrong_kind")


def check_families(
    options: ReadOptions, tables: Collection[str], channels: Collection[str], unread: Collection[str] = ()
) -> None:
    """Raise `InvalidError` where something was said of a family that is not there.

    Args:
        tables: Families of which a kind may have been said although they are no series and no grids.
        channels: Series and grids.
        unread: Families that a model may not know.
    """
    there = ", ".join(repr(name) for name in [*channels][:5]) or "none"
    faults = [
        Place(detail="no such family", field=f"kinds.{name}")
        for name in options.kinds
        # Those of a model are looked for by those who know it.
        if options.known is None and name not in tables and name not in channels
    ]
    faults += [
        Place(detail=f"no such family of series or grids; there are {there}", field=f"channels.{name}")
        for name in options.channels
        if name not in channels and name not in unread
    ]
    if faults:
        raise InvalidError(f"{faults[0].field}: {faults[0].detail}", faults, code="no_such_family")
