"""A family of series or grids: its inputs in an ONNX graph, and the descriptors of its channels.

Shapes: N rows, T longest length, C channels, H x W a grid, M descriptors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from onnx import TensorProto, ValueInfoProto, helper

from catvq.descriptors.grids import describe_grids
from catvq.descriptors.names import GRID, SERIES
from catvq.descriptors.series import describe_series
from catvq.errors import ConfigError
from catvq.onnx_builder import Graph

# Inputs and outputs of a frozen model that have their names whatever its families are called.
RESERVED = frozenset({"rows", "codes", "normalized", "latents", "total"})


def lengths_name(family: str) -> str:
    """Name of the input that tells how long the series of a family are."""
    return f"{family}.lengths"


@dataclass(frozen=True)
class ChannelFamily:
    """What a frozen model knows of a family.

    Attributes:
        name: Its name, and that of its values in a graph: float32 [N, T, C] or [N, C, H, W].
        channels: Names without the family's, length C.
        shape: H and W of grids; None for series, which have lengths, int64 [N].
    """

    name: str
    channels: tuple[str, ...]
    shape: tuple[int, int] | None

    @property
    def kind(self) -> Literal["series", "grid"]:
        """Which of the two."""
        return "series" if self.shape is None else "grid"

    @property
    def descriptors(self) -> tuple[str, ...]:
        """Names of the descriptors of each channel, length M."""
        return SERIES if self.shape is None else GRID

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of its inputs."""
        return (self.name, lengths_name(self.name)) if self.shape is None else (self.name,)

    def inputs(self) -> list[ValueInfoProto]:
        """Its inputs."""
        number = len(self.channels)
        size: list[str | int | None] = (
            ["N", f"T {self.name}", number] if self.shape is None else ["N", number, *self.shape]
        )
        values = helper.make_tensor_value_info(self.name, TensorProto.FLOAT, size)
        lengths = helper.make_tensor_value_info(lengths_name(self.name), TensorProto.INT64, ["N"])
        return [values, lengths] if self.shape is None else [values]

    def describe(self, graph: Graph) -> str:
        """Add the descriptors of its inputs, float32 [N, C, M]; NaN where a channel has no value."""
        if self.shape is None:
            return describe_series(graph, *self.input_names)
        return describe_grids(graph, self.name, self.shape)

    def output(self, name: str) -> ValueInfoProto:
        """An output of its descriptors."""
        size: list[str | int | None] = ["N", len(self.channels), len(self.descriptors)]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, size)

    def document(self) -> dict[str, Any]:
        """In JSON's types."""
        return {
            "family": self.name,
            "kind": self.kind,
            "channels": list(self.channels),
            "descriptors": list(self.descriptors),
            "shape": None if self.shape is None else list(self.shape),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "ChannelFamily":
        """The inverse of `document`."""
        shape = None if document["shape"] is None else (document["shape"][0], document["shape"][1])
        return cls(document["family"], tuple(document["channels"]), shape)


def check_names(families: Sequence[ChannelFamily]) -> None:
    """Check that no family is called as something else in a model's files.

    Raises:
        ConfigError: One is.
    """
    taken = [name for family in families for name in family.input_names]
    if len({*taken, *RESERVED}) < len(taken) + len(RESERVED) or any(name[:1] == "/" for name in taken):
        names = [family.name for family in families]
        raise ConfigError(f"families of series and grids cannot have these names: {names}")
