"""Settings of the VQ-VAE."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Len, Lt

from catvq.config.values import Auto, CategoryCount, Settings, Weight
from catvq.errors import ConfigError
from catvq.names import Name

CodebookSize = Annotated[int, Ge(2), Le(4096)] | Auto
LatentDim = Annotated[int, Ge(1), Le(512)] | Auto


@dataclass(frozen=True, kw_only=True)
class LevelSettings(Settings):
    """Sizes of one level in every category; 'auto' is what the model says."""

    codebook_size: CodebookSize = "auto"
    latent_dim: LatentDim = "auto"


@dataclass(frozen=True, kw_only=True)
class SeriesSettings(Settings):
    """How series are learnt from."""

    crop: bool = False
    """Train on how each training row's series begin, too: two prefixes of random length."""


@dataclass(frozen=True, kw_only=True)
class ModelSettings(Settings):
    """Shape and losses of the VQ-VAE."""

    categories: CategoryCount | Auto | Mapping[Name, CategoryCount] = "auto"
    """Total number of categories, 'auto', or a number for each family."""

    levels: Annotated[int, Ge(1), Le(8)] | Annotated[list[LevelSettings], Len(1, 8)] = 3
    """Tokens per category, coarse to fine: each refines the ones before. Their number, or the sizes of
    each."""

    codebook_size: CodebookSize = "auto"
    """Codes per codebook; 'auto' follows the category's number of features, with half as many in the first
    level and twice as many in the last."""

    latent_dim: LatentDim = "auto"
    """Width of what a level sees of its category's latent; 'auto' is the level's compression ratio times the
    category's features."""

    compression_ratios: Annotated[list[Annotated[float, Gt(0), Le(16)]], Len(1, 8)] | None = None
    """One ratio per level for latent_dim 'auto'; null is 1 for all."""

    embedding_dim: Annotated[int, Ge(1), Le(4096)] = 64
    hidden_dim: Annotated[int, Ge(1), Le(8192)] = 128
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    codebook_update: Literal["ema", "gradient"] = "ema"
    commitment_weight: Weight = 1.0

    decay: Annotated[float, Ge(0), Lt(1)] = 0.99
    """Decay of the codebook's moving average."""

    codebook_orthogonality_weight: Weight = 0.0
    informativeness_weight: Weight = 0.0
    topographic_weight: Weight = 0.0
    topographic_samples: Annotated[int, Ge(3), Le(1024)] = 64
    series: SeriesSettings = SeriesSettings()

    def __post_init__(self) -> None:
        if self.compression_ratios is not None and len(self.compression_ratios) != self.num_levels:
            raise ConfigError(f"compression_ratios needs one ratio per level: {self.num_levels}")

    def ratios(self) -> list[float]:
        """Latent width per feature of each level, coarse to fine; 1 when none were given."""
        return [1.0] * self.num_levels if self.compression_ratios is None else self.compression_ratios

    @property
    def num_levels(self) -> int:
        """L."""
        return self.levels if isinstance(self.levels, int) else len(self.levels)

    def sizes_of_levels(self) -> list[tuple[int | Auto, int | Auto]]:
        """Codebook size and latent width of each level, coarse to fine; "auto" in a level is the model's."""
        given = [LevelSettings()] * self.levels if isinstance(self.levels, int) else self.levels
        return [
            (
                self.codebook_size if level.codebook_size == "auto" else level.codebook_size,
                self.latent_dim if level.latent_dim == "auto" else level.latent_dim,
            )
            for level in given
        ]
