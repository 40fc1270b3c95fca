"""A picture that the service drew."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PictureKind = Literal["svg", "png"]
MEDIA_TYPES: dict[PictureKind, str] = {"svg": "image/svg+xml", "png": "image/png"}


@dataclass(frozen=True)
class Picture:
    """A picture; notebooks show it."""

    content: bytes
    kind: PictureKind

    def save(self, path: Path | str) -> None:
        """Write the picture to a file."""
        Path(path).write_bytes(self.content)

    def _repr_svg_(self) -> str | None:
        return self.content.decode() if self.kind == "svg" else None

    def _repr_png_(self) -> bytes | None:
        return self.content if self.kind == "png" else None
