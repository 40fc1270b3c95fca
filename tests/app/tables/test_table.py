"""Names: those of a file hold, those that are sent name what has none."""

import pytest

from app.problems import InvalidError
from app.tables.table import give_names, take_names


def test_names_that_are_sent_name_what_has_none(limits):
    assert give_names(("x", " y "), 2, limits) == ("x", "y")


@pytest.mark.parametrize(
    "names", [(), ("x",), ("x", "x"), ("x", ""), ("x", " "), ("x", "y", "z"), ("x", "\n")]
)
def test_names_that_do_not_fit_are_refused(names, limits):
    with pytest.raises(InvalidError):
        give_names(names, 2, limits)


def test_a_file_that_has_names_takes_no_others(limits):
    assert take_names(None, [" x", "y"], limits) == ("x", "y")
    assert take_names(("x", "y"), ["x", "y"], limits) == ("x", "y")
    with pytest.raises(InvalidError, match="itself"):
        take_names(("x", "z"), ["x", "y"], limits)
