"""Settings of how features find their categories."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Le, Len

from catvq.config.features import matches
from catvq.config.values import EMPTY, MAX_CATEGORIES, Auto, LearningRate, Settings, Temperature, Weight
from catvq.errors import ConfigError
from catvq.names import Name

Init = Literal["auto", "dependence", "clustering", "random", "user", "model"]
ScheduleKind = Literal["linear", "exponential", "cosine", "constant"]
StageOrder = Literal["together", "model_first", "in_turn"]
Estimator = Literal["mirror", "softmax", "gumbel", "straight_through", "reinmax", "sinkhorn"]

# The recipe: what a null stands for.
TEMPERATURE_START = 1.0
TEMPERATURE_END = 0.1
TEMPERATURE_SCHEDULE: ScheduleKind = "exponential"
ASSIGNMENT_LR = 0.02
ORTHOGONALITY_WEIGHT = 0.1
FREEZE_FRACTION = 0.4  # of the epochs: the rest fits the VQ-VAE to the frozen grouping


@dataclass(frozen=True)
class AssignmentWeights:
    """Weights of the assignment's own terms; zero leaves a term out."""

    orthogonality: float
    balance: float
    family: float


@dataclass(frozen=True, kw_only=True)
class AssignmentSettings(Settings):
    """How features find their categories."""

    mode: Literal["learnable", "static"] = "learnable"

    per_family: bool = False
    """Keep every category within one family."""

    isolated_families: list[Name] = field(default_factory=list, metadata=EMPTY)
    """Families that have categories of their own, while the others share theirs."""

    init: Init = "auto"
    """Where the assignment starts. 'dependence' groups by statistical dependence of any kind, 'clustering' by
    correlation (Ward). 'auto' takes dependence where it finds clearly separate categories, else the grouping
    that the job's codes can describe best, and is 'clustering' in static mode."""

    groups: Annotated[Mapping[Name, list[Name]], Len(1, MAX_CATEGORIES)] | None = None
    """With init 'user': the features of each category."""

    model: Name | None = None
    """With init 'model': the model whose grouping to start from."""

    take: Literal["groups", "weights"] = "groups"
    """With init 'model': what to start from. 'weights' goes on from the model's weights, codebooks and
    cleaning, in its grouping, which stays."""

    together: list[Annotated[list[Name], Len(1)]] = field(default_factory=list, metadata=EMPTY)
    """Sets of features, as names or globs such as `a_*`, that stay in one category."""

    estimator: Literal["auto", "mirror", "softmax", "gumbel", "straight_through", "reinmax", "sinkhorn"] = (
        "auto"
    )
    """'mirror' first searches for the assignment by mirror descent on held-out error, then follows the
    model's gradient as 'softmax' does; the others only follow that gradient: 'gumbel' through a noisy
    assignment, 'straight_through' and 'reinmax' through a drawn one-hot one, 'sinkhorn' through a soft one
    that is pulled towards equal shares of the features. 'auto' is 'mirror' where `init` asks for one start,
    and 'softmax' with init 'auto' or where a temperature, a schedule or assignment_lr is given."""

    temperature_start: Temperature | None = None
    """Null: the recipe's own."""

    temperature_end: Temperature | None = None
    """Null: the recipe's own."""

    temperature_schedule: Literal["linear", "exponential", "cosine", "constant", "adaptive"] | None = None
    """While the model trains. 'adaptive' asks for the search, whose temperature follows the assignment's
    entropy, and is 'exponential' after it."""

    temperature_update: Literal["epoch", "step"] = "epoch"

    orthogonality_weight: Weight | None = None
    """Null: 0.1 while the model trains, 0 in the search."""

    balance_weight: Weight = 0.0
    family_constraint_weight: Weight = 0.0

    assignment_lr: LearningRate | None = None
    """Null: the recipe's own."""

    freeze_after_epochs: Annotated[int, Ge(0)] | Auto | None = "auto"
    """Epochs after which the assignment is hard; null: only at the end."""

    stages: StageOrder = "together"
    """What learns while the assignment is soft. 'model_first': in the first fifth of it only the model;
    'in_turn': the model in one epoch, the assignment in the next."""

    freeze_when_settled: bool = False
    """Make the assignment hard ahead of time once it is nearly so and no feature has changed its category for
    some epochs."""

    prune_empty: bool = False
    """Leave categories that end without features out of the model, with their codes."""

    surplus_categories: Annotated[int, Ge(0), Le(MAX_CATEGORIES)] = 0
    """Start with so many categories more than `categories`; while the assignment is soft, the two that are
    best described together become one, again and again. Implies prune_empty."""

    def __post_init__(self) -> None:
        if self.temperature_schedule == "adaptive" and self.resolved_estimator() != "mirror":
            raise ConfigError("temperature_schedule 'adaptive' belongs to estimator 'mirror'")
        is_divided = self.per_family or bool(self.isolated_families)
        if self.surplus_categories and (is_divided or self.init in {"user", "model"}):
            raise ConfigError(
                "surplus_categories needs a start that groups the features of all families itself"
            )
        if (self.init == "user") != (self.groups is not None):
            raise ConfigError("groups belongs to init 'user', and init 'user' needs groups")
        if (self.init == "model") != (self.model is not None):
            raise ConfigError("model belongs to init 'model', and init 'model' needs model")
        if self.take == "weights" and self.init != "model":
            raise ConfigError("take 'weights' belongs to init 'model'")

    def resolved_estimator(self) -> Estimator:
        """The estimator to use.

        "auto" searches first, by "mirror", where one start was asked for, so that it may be a poor one. It
        is "softmax" with the default start, and where a setting of the scheduled form was given.
        """
        if self.estimator != "auto":
            return self.estimator
        if self.temperature_schedule == "adaptive":
            return "mirror"
        given = self.temperature_schedule, self.temperature_start, self.temperature_end, self.assignment_lr
        is_free = given == (None,) * len(given)
        return "mirror" if is_free and self.init != "auto" else "softmax"

    def resolved_init(self) -> Init:
        """The start to use: in static mode "auto" is the usual one, clustering by correlation."""
        return "clustering" if self.init == "auto" and self.mode == "static" else self.init

    @property
    def is_given(self) -> bool:
        """Whether the grouping is hard from the start: in static mode, and where weights are taken over."""
        return self.mode == "static" or self.take == "weights"

    def sets_of(self, features: Sequence[str]) -> list[list[str]]:
        """The features of each set that stays together, in their order."""
        return [[name for name in features if matches(name, patterns)] for patterns in self.together]

    @property
    def leaves_out_empty(self) -> bool:
        """Whether categories without features are left out of the frozen model."""
        return self.prune_empty or self.surplus_categories > 0

    def search_weights(self) -> AssignmentWeights:
        """Weights of the assignment's own terms in the search, which needs none of its own accord."""
        return AssignmentWeights(
            self.orthogonality_weight or 0.0, self.balance_weight, self.family_constraint_weight
        )

    def own_weights(self) -> AssignmentWeights:
        """Weights of the assignment's own terms while the model trains."""
        orthogonality = self.orthogonality_weight
        return AssignmentWeights(
            ORTHOGONALITY_WEIGHT if orthogonality is None else orthogonality,
            self.balance_weight,
            self.family_constraint_weight,
        )

    def freeze_epoch(self, epochs: int) -> int:
        """The number of completed epochs after which the assignment is hard (0 in static mode)."""
        if self.is_given:
            return 0
        if self.freeze_after_epochs == "auto":
            return max(1, round(FREEZE_FRACTION * epochs))
        return epochs if self.freeze_after_epochs is None else min(self.freeze_after_epochs, epochs)
