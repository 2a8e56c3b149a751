"""From the bytes of an answer to an envelope, and from the envelope's data to models."""

from __future__ import annotations

from typing import Final, TypeVar

import attrs
import msgspec

from kakaclo_async.codec.converter import converter
from kakaclo_async.codec.embedded import UNPARSABLE, mend, parse
from kakaclo_async.codec.scalars import DECIMALS, InvalidValue, read_integer, to_text
from kakaclo_async.codec.strict import strict_body_decoder, strict_decoder
from kakaclo_async.errors import DecodeError

T = TypeVar("T")


@attrs.frozen
class Envelope:
    """What every answer is wrapped in.

    Attributes:
        code: 10000 is success; None when the answer has no code.
        message: what KakaClo says, which may be anything, under success too.
        data: the JSON text of the data, not yet parsed; None when the answer has no data.
        error: what documents of the form `{"error": "Invalid request"}` say; None for false, 0 and what is empty.
        is_mended: whether the answer was damaged.
    """

    code: int | str | None = attrs.field(repr=False)
    message: str = attrs.field(repr=False)
    data: msgspec.Raw | None = attrs.field(repr=False)
    error: str | None = attrs.field(repr=False)
    is_mended: bool = False

    @property
    def says_no(self) -> bool:
        """Whether it has what makes it KakaClo's own refusal, unless its code is that of success."""
        return self.code is not None or self.error is not None


class _Document(msgspec.Struct):
    code: object = None
    message: object = None
    data: msgspec.Raw = msgspec.Raw()
    error: object = None


_open: Final = msgspec.json.Decoder(_Document, float_hook=DECIMALS.__getitem__).decode


def read_envelope(body: bytes) -> Envelope:
    """Read the envelope of an answer and leave its data alone; of a damaged one, what can be read.

    Raises:
        DecodeError: the body is no JSON object: empty, an HTML page, cut off; `where` is "body".
    """
    problem = "is empty"
    if body.strip():
        try:
            return _envelope(body)
        except msgspec.ValidationError:
            problem = "must be a JSON object"
        except UNPARSABLE:
            problem = "is no JSON, or was cut off"
        try:
            mended = attrs.evolve(_envelope(mend(body)), is_mended=True)
        except UNPARSABLE:
            mended = None
        # A code that is damaged may have been that of success.
        if mended is not None and not isinstance(mended.code, str):
            return mended
    raise DecodeError(problem, where="body")  # not in the handler: a parser's error holds the whole body


def _envelope(body: bytes | str) -> Envelope:
    document = _open(body)
    return Envelope(
        code=_code(document.code),
        message=to_text(document.message) or "",
        data=document.data or None,
        error=to_text(document.error) if document.error else None,
    )


def _code(value: object) -> int | str | None:
    try:
        return read_integer(value)
    except InvalidValue:
        return to_text(value)


def decode_body(body: bytes, kind: type[T], *, success: int) -> T | None:
    """Read a whole answer in one pass, the quick way for large ones.

    Args:
        body: the bytes of the answer.
        kind: as for `decode`.
        success: the code of an answer that is no error.

    Returns:
        The data; or None for anything but a success without surprises: then use `read_envelope` and `decode`,
        which read what can be read, and say what cannot.
    """
    read = strict_body_decoder(kind)
    if read is None:
        return None
    try:
        code, data = read(body)
    except UNPARSABLE:
        return None
    return data if code == success else None


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
    read = None if data is None else strict_decoder(kind)
    if data is not None and read is not None:
        try:
            return read(data)
        except UNPARSABLE:
            pass
    try:
        result = converter.structure(_parse(data, where), kind)
    except InvalidValue as error:
        problem, place = error.reason, error.where(where)
    except RecursionError:
        problem, place = "is nested too deeply", where
    else:
        if result is not None or kind is object:
            return result
        problem, place = "is missing", where
    raise DecodeError(problem, where=place)


def _parse(data: bytes | msgspec.Raw | None, where: str) -> object:
    if data is None:
        return None
    try:
        return parse(data)
    except UNPARSABLE:
        pass
    try:
        return parse(mend(data))
    except UNPARSABLE:
        pass
    raise DecodeError("is no JSON that can be read", where=where)
