"""From the bytes of an answer to an envelope, and from the envelope's data to models."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar, cast

import attrs
import msgspec

from kakaclo_async.codec.converter import converter, hook_of
from kakaclo_async.codec.embedded import UNPARSABLE, parse
from kakaclo_async.codec.records import UNKNOWN_NAMES, type_of
from kakaclo_async.codec.scalars import DECIMALS, Unreadable, read_integer, to_text
from kakaclo_async.codec.strict import strict_body_decoder, strict_decoder
from kakaclo_async.errors import DecodeError
from kakaclo_async.models.common import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


T = TypeVar("T")


@attrs.frozen
class Envelope:
    """What every answer is wrapped in.

    Attributes:
        code: 10000 is success; None when the answer has no code.
        message: what KakaClo says, which may be anything, under success too.
        data: the JSON text of the data, not yet parsed; None when there is none.
        error: what documents of the form `{"error": "Invalid request"}` say.
    """

    code: int | str | None
    message: str
    data: msgspec.Raw | None = attrs.field(repr=False)
    error: str | None


class _Document(msgspec.Struct):
    code: object = None
    message: object = None
    data: msgspec.Raw = msgspec.Raw()
    error: object = None


_open: Final = msgspec.json.Decoder(_Document, float_hook=DECIMALS.__getitem__).decode


def read_envelope(body: bytes) -> Envelope:
    """Read the envelope of an answer and leave its data alone.

    Raises:
        DecodeError: the body is no JSON object: empty, an HTML page, cut off; `where` is "body".
    """
    problem = "is empty"
    if body.strip():
        try:
            document = _open(body)
        except msgspec.ValidationError:
            problem = "must be a JSON object"
        except UNPARSABLE:
            problem = "is no JSON, or was cut off"
        else:
            return Envelope(
                code=_code(document.code),
                message=to_text(document.message) or "",
                data=document.data or None,
                error=to_text(document.error),
            )
    raise DecodeError(problem, where="body")  # not in the handler: a parser's error holds the whole body


def _code(value: object) -> int | str | None:
    try:
        return read_integer(value)
    except Unreadable:
        return to_text(value)


def decode_body(body: bytes, kind: type[T], *, success: int) -> T | None:
    """Read a whole answer in one pass, the quick way for large ones.

    Args:
        body: the bytes of the answer.
        kind: as for `decode`.
        success: the code of an answer that is no error.

    Returns:
        The data; or None for anything but a success without surprises: `read_envelope` and `decode` read what
        can be read of it, and say what cannot.
    """
    if not _is_record(cast("Hashable", kind)):
        return None
    try:
        code, data = _body_decoder(cast("Hashable", kind), len(UNKNOWN_NAMES))(body)
    except UNPARSABLE:
        return None
    return cast("T", data) if code == success else None


def decode(data: bytes | msgspec.Raw | None, kind: type[T], *, where: str = "data") -> T:
    """Read the data of an answer.

    Args:
        data: JSON text; None counts as null.
        kind: a record, `Page[Product]`, `tuple[LogisticsChannel, ...]`, `str` (a number becomes its digits),
            `Balance`, or `object` for plain JSON data.
        where: what the path in an error starts with.

    Raises:
        DecodeError: with the path to the value that cannot be read, and without the value.
    """
    if data is not None and _is_record(cast("Hashable", kind)):
        try:
            return cast("T", _data_decoder(cast("Hashable", kind), len(UNKNOWN_NAMES))(data))
        except UNPARSABLE:
            pass
    try:
        result = converter.structure(_parse(data, where), kind)
    except Unreadable as error:
        problem, place = error.reason, error.where(where)
    except RecursionError:
        problem, place = "is nested too deeply", where
    else:
        if result is not None or kind is object:
            return result
        problem, place = "is missing", where
    raise DecodeError(problem, where=place)


@lru_cache(maxsize=64)
def _is_record(kind: Hashable) -> bool:
    return issubclass(type_of(kind), Record)


# Every new unknown field makes new decoders, which expect it from then on.
@lru_cache(maxsize=64)
def _data_decoder(kind: Hashable, _unknown_names: int) -> Callable[[bytes | msgspec.Raw], object]:
    return strict_decoder(cast("type[object]", kind), hook_of)


@lru_cache(maxsize=64)
def _body_decoder(kind: Hashable, _unknown_names: int) -> Callable[[bytes], tuple[int, object]]:
    return strict_body_decoder(cast("type[object]", kind), hook_of)


def _parse(data: bytes | msgspec.Raw | None, where: str) -> object:
    if data is None:
        return None
    try:
        return parse(data)
    except UNPARSABLE:
        pass
    raise DecodeError("is no JSON that can be read", where=where)
