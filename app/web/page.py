"""Reads the page's files once, and names them by their digest, so that browsers may keep them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from app.formats import Format
from app.inference.document_cache import Document

STATIC = Path(__file__).parent / "static"
DOCS = Path(__file__).parent / "docs"  # the API's documentation
INDEX = "index.html"
MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}


@dataclass(frozen=True)
class Page:
    """The page and its files.

    Args:
        digest: Of all files together; it is a part of their addresses.
        index: The page itself.
        assets: Its files, by their path.
    """

    digest: str
    index: Document
    assets: Mapping[str, Document]

    @classmethod
    def read(cls, *, demands_keys: bool) -> "Page":
        """Read all files.

        Args:
            demands_keys: Whether the page must ask for a key before its first request.
        """
        files = {
            path.relative_to(STATIC).as_posix(): path.read_bytes()
            for path in sorted(STATIC.rglob("*"))
            if path.is_file()
        }
        digest = hashlib.sha256()
        for name, content in files.items():
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        base = f"/web/{digest.hexdigest()[:16]}"
        modules = [name for name in files if name.endswith(".js") and name != "vendor/uplot.js"]
        index = Template(files.pop(INDEX).decode()).substitute(
            base=base,
            keys="required" if demands_keys else "none",
            preloads="\n".join(f'<link rel="modulepreload" href="{base}/{name}">' for name in modules),
        )
        assets = {
            name: Document.make(content, MEDIA_TYPES[Path(name).suffix]) for name, content in files.items()
        }
        return cls(base.rpartition("/")[2], Document.make(index.encode(), Format.HTML.value), assets)
