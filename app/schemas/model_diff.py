"""Bodies of the comparison of two models."""

from pydantic import ConfigDict, Field

from app.schemas.common import Body
from app.schemas.models import MODEL_ID


class CategoryPair(Body):
    """Two categories that are matched with each other."""

    model_config = ConfigDict(validate_by_name=True)

    from_: str = Field(alias="from", description="Name of the category in the first model.")
    to: str = Field(description="Name of the category in the other model.")
    shared: int = Field(description="Features that are in both.")


class MovedFeature(Body):
    """A feature whose category in the other model is not the one matched with its own."""

    model_config = ConfigDict(validate_by_name=True)

    name: str
    from_: str = Field(alias="from", description="Name of its category in the first model.")
    to: str = Field(description="Name of its category in the other model.")


class OnlyIn(Body):
    """Features that only one of the models has."""

    model_config = ConfigDict(validate_by_name=True)

    from_: list[str] = Field(alias="from")
    to: list[str]


class ModelDiff(Body):
    """The groupings of two models, compared."""

    model_config = ConfigDict(
        validate_by_name=True,
        json_schema_extra={
            "example": {
                "from": MODEL_ID,
                "to": "model_7d2a5f6e8b0c3d4a5b1b9e4c",
                "agreement": 0.84,
                "pairs": [{"from": "category_0", "to": "category_2", "shared": 14}],
                "moved": [{"name": "p9", "from": "category_0", "to": "category_1"}],
                "only_in": {"from": ["p3"], "to": []},
            }
        },
    )

    from_: str = Field(alias="from", description="Id of the first model.")
    to: str = Field(description="Id of the other model.")
    agreement: float | None = Field(
        description="Adjusted Rand index over the features that both models have: 1 if they group them "
        "alike, about 0 if by chance; null without such features."
    )
    pairs: list[CategoryPair] = Field(
        description="Categories matched one to one, such that as many features as possible stay in their "
        "category; categories without a counterpart that shares a feature are left out."
    )
    moved: list[MovedFeature] = Field(description="Features that do not follow the match.")
    only_in: OnlyIn
