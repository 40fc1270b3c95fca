"""Bodies of the routes that encode rows and decode codes."""

from typing import Annotated, Any, Literal

from pydantic import Field

from app.schemas.common import Body, example
from app.schemas.models import MODEL_ID

Nested = Annotated[
    list[Any],
    Field(description="A list with an item for each row: nested lists of numbers; null is missing."),
]


class EncodingRequest(Body):
    """Rows to encode, in the dataset's units."""

    model_config = example({"rows": [[0.5, None, 2.0]], "columns": ["p0", "p1", "m0"]})

    rows: list[list[float | None]] | None = Field(None, description="May be left out beside `families`.")
    families: dict[str, Nested] | None = Field(
        None,
        description="Series and grids by family: for each row [steps][channels], [steps] of one channel, or "
        "[channels][height][width].",
    )
    columns: list[str] | None = Field(
        None,
        description="Column names, in any order; columns that are not features of the model are ignored. "
        "Without names, a row holds the model's features in the dataset's order.",
    )


class Encodings(Body):
    """Codes of rows."""

    model_config = example(
        {
            "model": MODEL_ID,
            "codes": [[3, 1], [-1, -1]],
            "reconstruction_error": [0.18, None],
            "distance_percentile": [41.5, None],
            "status": ["imputed", "invalid"],
        }
    )

    model: str
    codes: list[list[int]] = Field(description="Category 0 level 0, category 0 level 1, ...")
    reconstruction_error: list[float | None] = Field(
        description="Mean squared error of the features that are there, in units of variance; null for none."
    )
    distance_percentile: list[float | None] = Field(
        description="Percentage of the training rows that were nearer to their codes."
    )
    status: list[Literal["ok", "imputed", "invalid"]]
    keys: dict[str, list[str | None]] | None = Field(
        None, description="The columns that were asked for as keys; left out without."
    )


class DecodingRequest(Body):
    """Codes to decode."""

    model_config = example({"codes": [[3, 1]]})

    codes: Annotated[list[list[int]], Field(min_length=1)]


class DecodedFamily(Body):
    """Descriptors of a family's channels."""

    channels: list[str]
    descriptors: list[str]
    values: list[list[list[float]]] = Field(description="[rows, channels, descriptors], in raw units.")


class Decodings(Body):
    """Decoded rows, in the dataset's units."""

    model_config = example({"model": MODEL_ID, "features": ["p0", "p1", "m0"], "rows": [[0.4, 1.1, 2.2]]})

    model: str
    features: list[str]
    rows: list[list[float | str | None]] = Field(description="Categories and times are text.")
    families: dict[str, DecodedFamily] | None = Field(
        None, description="Descriptors of series and grids, where the model knows some."
    )
