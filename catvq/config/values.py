"""Types of settings that several sections share, with their ranges, and how the service reads a section."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le

MAX_CATEGORIES = 1024

EMPTY: Mapping[str, object] = {"json_schema_extra": {"default": []}}  # of a list that is empty by default


class Settings:
    """Base of a section of the configuration.

    The core checks what concerns several fields. The service reads a section from JSON with pydantic, which
    checks types and ranges, too, and describes each field by the text below it.
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "allow_inf_nan": False,
        "use_attribute_docstrings": True,
    }


Auto = Literal["auto"]
Weight = Annotated[float, Ge(0), Le(1e6)]
Temperature = Annotated[float, Gt(0), Le(1e6)]
LearningRate = Annotated[float, Gt(0), Le(10)]
CategoryCount = Annotated[int, Ge(1), Le(MAX_CATEGORIES)]
