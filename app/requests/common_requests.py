"""Recognises the heads of common requests about models: those that leave nothing to negotiate."""

import re
from dataclasses import dataclass
from functools import lru_cache

from app.formats import Format
from app.requests.encode import CODES_ONLY
from app.requests.open_inference import JSON_BYTES_HEADER

MAX_FIELDS, MAX_FIELD_BYTES = 32, 4096  # of headers, all together with the path
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
        part: Of a model's documents; None where rows are sent.
        length: Of the body, in bytes.
        json_bytes: Length of the JSON before binary tensors; None where there are none.
    """

    route: str
    key: str
    is_inference: bool = False
    part: str | None = None
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
    if not match or not _NUMBER.fullmatch(length):
        return None
    version, key, part = match.groups()
    is_plain = part != "grouping" or _FORMATS_ASKED.get(accept) is Format.JSON  # or a picture is asked for
    if method == "GET" and version == "v1" and part in _DOCUMENTS and is_plain and not int(length):
        route = "/v1/models/{model_id}" + ("/{document}" if part else "")
        return CommonRequest(route, key, part=part or "")
    if method != "POST" or not int(length):
        return None
    if (version, part) == ("v1", "encodings") and content_type in FORMATS and accept in _FORMATS_ASKED:
        route, asked = "/v1/models/{model_id}/encodings", _FORMATS_ASKED[accept]
        return CommonRequest(route, key, length=int(length), sent=FORMATS[content_type], asked=asked)
    if (version, part) == ("v2", "infer") and (json_bytes is None or _NUMBER.fullmatch(json_bytes)):
        route = "/v2/models/{model_id}/infer"
        tail_at = None if json_bytes is None else int(json_bytes)
        return CommonRequest(route, key, is_inference=True, length=int(length), json_bytes=tail_at)
    return None
