"""Recognises the heads of common requests about models: those that leave nothing to negotiate."""

import re
from dataclasses import dataclass
from functools import lru_cache

from app.formats import Format
from app.requests.encode import CODES_ONLY, MAX_BYTES_AT_ONCE
from app.requests.open_inference import JSON_BYTES_HEADER

MAX_FIELDS, MAX_FIELD_BYTES = 32, 4096  # of headers, all together with the path
MAX_BYTES = 8 << 20  # of a body of numbers, which may lie in memory; larger ones are worth a file
HEADS_REMEMBERED = 256
FORMATS = {option.value.encode(): option for option in (Format.JSON, *CODES_ONLY)}
_FORMATS_ASKED = FORMATS | {b"*/*": Format.JSON, b"": Format.JSON}
_JSON_BYTES = JSON_BYTES_HEADER.lower().encode()
_UNCOMMON = {b"content-encoding", b"transfer-encoding", b"expect"}
_NUMBER = re.compile(rb"[0-9]{1,15}")
_PATH = re.compile(r"/(v1|v2)/models/(@?[A-Za-z0-9._-]{1,200})(?:/([a-z]{1,20}))?", re.ASCII)
_DOCUMENTS = {None, "grouping", "codebook", "report"}


@dataclass(frozen=True, slots=True)
class CommonRequest:
    """What a common request says before its body.

    Args:
        route: The documented route that would answer it.
        key: Id or alias of a model.
        part: Of the model's path: `encodings`, `infer`, or a document, whose `length` is 0.
        length: Of the body, in bytes.
        json_bytes: Length of the JSON before binary tensors; None where there are none.
    """

    route: str
    key: str
    part: str
    length: int = 0
    sent: Format = Format.JSON
    asked: Format = Format.JSON
    json_bytes: int | None = None


def recognize(method: str, path: str, headers: dict[bytes, bytes]) -> CommonRequest | None:
    """Return what a request says before its body, if every particular of it is a common one."""
    size = sum(map(len, headers.values())) + len(path)
    if size > MAX_FIELD_BYTES or not headers.get(b"host") or not _UNCOMMON.isdisjoint(headers):
        return None
    return _read_head(
        method,
        path,
        headers.get(b"content-type", b""),
        headers.get(b"accept", b""),
        headers.get(b"content-length", b"0"),
        headers.get(_JSON_BYTES),
    )


@lru_cache(HEADS_REMEMBERED)  # programs that send rows again and again send the same head
def _read_head(
    method: str, path: str, content_type: bytes, accept: bytes, length: bytes, json_bytes: bytes | None
) -> CommonRequest | None:
    match = _PATH.fullmatch(path)
    if not match or not all(map(_NUMBER.fullmatch, (length, b"0" if json_bytes is None else json_bytes))):
        return None
    version, key, part = match.groups()
    route = f"/{version}/models/{{model_id}}" + (f"/{part}" if part else "")
    size, sent, asked = int(length), FORMATS.get(content_type), _FORMATS_ASKED.get(accept)
    tail_at = None if json_bytes is None else int(json_bytes)
    if (method, version, size) == ("GET", "v1", 0) and part in _DOCUMENTS:
        is_picture = part == "grouping" and asked is not Format.JSON
        return None if is_picture else CommonRequest(route, key, part or "")
    if (method, version, part) == ("POST", "v1", "encodings") and sent and asked and size:
        is_short = size <= (MAX_BYTES if {sent, asked} <= CODES_ONLY else MAX_BYTES_AT_ONCE)
        return CommonRequest(route, key, part, size, sent, asked) if is_short else None
    if (method, version, part) == ("POST", "v2", "infer") and size:
        is_short = size <= MAX_BYTES and (size if tail_at is None else tail_at) <= MAX_BYTES_AT_ONCE
        return CommonRequest(route, key, part, size, json_bytes=tail_at) if is_short else None
    return None
