"""Media types of arrays, and the negotiation by `Content-Type` and `Accept`."""

from collections.abc import Sequence
from email.message import Message
from enum import Enum
from functools import lru_cache

from app.problems import NotAcceptableError, NotParseableError, UnsupportedMediaTypeError


class Format(Enum):
    """An array format; the value is its media type."""

    JSON = "application/json"
    NPY = "application/x-npy"
    CSV = "text/csv"
    ARROW = "application/vnd.apache.arrow.stream"
    ARROW_FILE = "application/vnd.apache.arrow.file"
    PARQUET = "application/vnd.apache.parquet"
    NPZ = "application/x-npz"
    HDF5 = "application/x-hdf5"
    SVG = "image/svg+xml"
    PNG = "image/png"
    EVENT_STREAM = "text/event-stream"
    HTML = "text/html"
    RAW = "application/octet-stream"  # little-endian numbers of known width, without a header


ARRAY_FORMATS = (Format.JSON, Format.NPY, Format.CSV, Format.ARROW, Format.PARQUET)
ENCODING_FORMATS = (*ARRAY_FORMATS, Format.RAW)
ROW_FORMATS = (*ENCODING_FORMATS, Format.ARROW_FILE, Format.NPZ, Format.HDF5)  # of rows to encode
DATASET_FORMATS = (
    *(Format.CSV, Format.PARQUET, Format.ARROW, Format.ARROW_FILE),
    *(Format.NPY, Format.NPZ, Format.HDF5, Format.JSON),
)
EVENT_FORMATS = (Format.JSON, Format.EVENT_STREAM)
PICTURE_FORMATS = (Format.SVG, Format.PNG)
ASSIGNMENT_FORMATS = (*ARRAY_FORMATS, *PICTURE_FORMATS)
METRIC_FORMATS = (Format.JSON, Format.CSV, Format.ARROW, *PICTURE_FORMATS)
GROUPING_FORMATS = (Format.JSON, *PICTURE_FORMATS)

HEADERS_REMEMBERED = 64  # of each kind; programs send the same ones again and again
_TEXT_FORMATS = {Format.JSON, Format.CSV}
_UTF8 = {"utf-8", "utf8", "us-ascii"}


@lru_cache(HEADERS_REMEMBERED)
def sent_format(content_type: str | None, offered: tuple[Format, ...]) -> Format:
    """Return the format that a `Content-Type` header names.

    Raises:
        UnsupportedMediaTypeError: The header is missing, names another format, or text that is not UTF-8.
    """
    listing = _listing(offered)
    if not content_type:
        raise UnsupportedMediaTypeError(f"Content-Type is missing; send one of {listing}")
    message = Message()
    message["content-type"] = content_type
    media_type = message.get_content_type()
    for option in offered:
        if option.value == media_type:
            charset = str(message.get_content_charset("utf-8"))
            if option in _TEXT_FORMATS and charset not in _UTF8:
                raise UnsupportedMediaTypeError(f"the charset {charset} is not supported; send UTF-8")
            return option
    raise UnsupportedMediaTypeError(f"the content type {media_type} is not supported; send one of {listing}")


@lru_cache(HEADERS_REMEMBERED)
def media_parameter(content_type: str | None, name: str) -> str | None:
    """Return a parameter of a `Content-Type` header, such as `header` of `text/csv; header=absent`."""
    message = Message()
    message["content-type"] = content_type or ""
    value = message.get_param(name)
    return value if isinstance(value, str) else None


@lru_cache(HEADERS_REMEMBERED)
def asked_format(accept: str | None, offered: tuple[Format, ...]) -> Format:
    """Return the offered format that an `Accept` header prefers; the first one without a preference.

    Raises:
        NotAcceptableError: The header accepts none of the offered formats.
        NotParseableError: It is not an `Accept` header.
    """
    if not accept or not accept.strip():
        return offered[0]
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()]
    qualities = [_quality(option.value, ranges) for option in offered]
    best = max(qualities, default=0.0)
    if best <= 0:
        raise NotAcceptableError(
            f"none of the accepted formats is available; accept one of {_listing(offered)}"
        )
    return offered[qualities.index(best)]


def _media_range(part: str) -> tuple[str, float]:
    media_range, _, parameters = part.partition(";")
    quality = 1.0
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                quality = float(value)
            except ValueError:
                raise NotParseableError(f"the quality in Accept is not a number: {value!r}") from None
    return media_range.strip().lower(), quality


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Return the quality of the most specific media range that includes `media_type`."""
    family = media_type.partition("/")[0]
    for candidate in (media_type, f"{family}/*", "*/*"):
        for media_range, quality in ranges:
            if media_range == candidate:
                return quality
    return 0.0


def _listing(offered: Sequence[Format]) -> str:
    return ", ".join(option.value for option in offered)
