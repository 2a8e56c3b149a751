"""From JSON values to texts, numbers, times and statuses: forgiving in the form, strict in the meaning.

A reader takes a value that the JSON parser made, gives None for what is absent (null, or an empty text where a
text makes no sense), and raises `InvalidValue` for what means something else. No reason repeats the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from operator import index
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar, cast

import attrs
import msgspec

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.common import Number

if TYPE_CHECKING:
    from kakaclo_async.models.common import OpenIntEnum, OpenStrEnum

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
N = TypeVar("N", "OrderNumber", "RefundNumber")
# What is of a class of its own, a `Number` or a text of numpy, is the text or the whole number that it is.
_plain: Final[Callable[[object], object]] = lambda value: (  # noqa: E731
    str.__str__(value) if isinstance(value, str) else index(cast("int", value))
)
write_json: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=_plain).encode
DAMAGED: Final = "\ufffd"
"""What stands for a character that could not be read."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DATE_DIGITS: Final = len("20220107")
# Nothing that the API counts, prices or numbers comes near; beyond lies work without end (10 ** 999999999).
_MOST_DIGITS: Final = 40
_LONGEST_NUMBER: Final = 1000  # with its fraction: a double that is written out exactly has fewer
_INTEGERS: Final = range(-(2**63), 2**63)  # what databases hold
_OUT_OF_BOUNDS: Final = "is a number out of all bounds"
_KINDS: Final[dict[type, str]] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "a boolean",
    int: "a number",
    Decimal: "a number",
    type(None): "null",
}


def to_wire_time(moment: datetime) -> str:
    """Write a moment as the API does, in UTC and to the second: "2022-01-07T03:29:18Z".

    Args:
        moment: an aware datetime of any zone; parts of a second are cut off.

    Raises:
        InvalidRequest: a naive datetime, a date, or a text.
    """
    return _aware(moment).astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def to_millis(moment: datetime) -> int:
    """Write a moment as milliseconds since 1970, as the custom-product area does; parts of one are cut off.

    Raises:
        InvalidRequest: as `to_wire_time`.
    """
    return (_aware(moment) - _EPOCH) // timedelta(milliseconds=1)


def _aware(moment: datetime) -> datetime:
    if not isinstance(moment, datetime):  # pyright: ignore[reportUnnecessaryIsInstance] - callers err
        raise InvalidRequest(f"a time must be an aware datetime, not {type(moment).__name__}")
    if moment.utcoffset() is None:
        raise InvalidRequest(
            "a datetime without a time zone does not say which moment it means: "
            "use datetime.now(UTC), or .replace(tzinfo=...) with the zone it was taken in"
        )
    return moment


class InvalidValue(Exception):
    """A value that cannot mean what its field says; the path to it grows while the error rises.

    Attributes:
        reason: what is wrong, without the value.
        path: names and places of list elements, innermost first.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str | int] = []

    @classmethod
    def expected(cls, wanted: str, value: object) -> InvalidValue:
        """Say what was wanted, and what kind of value came."""
        return cls(f"must be {wanted}, not {_KINDS.get(type(value), type(value).__name__)}")

    def where(self, root: str) -> str:
        """Write the path below `root`: `data.list[3].skuDetails[0].price`."""
        parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in reversed(self.path))
        return root + "".join(parts)


@attrs.frozen
class Undecodable:
    """The stand-in for a row that cannot be decoded: `Page[Product | Undecodable]` keeps the other rows.

    Attributes:
        document: the row as it was parsed.
        problem: what is wrong, with the path inside the row and without the value.
    """

    document: object = attrs.field(repr=False)
    problem: str

    @property
    def fields(self) -> dict[str, object]:
        """The fields of the row, none if it is no object."""
        document = self.document
        return cast("dict[str, object]", document) if isinstance(document, dict) else {}

    @property
    def code(self) -> str | None:
        """The code or number that it is known by, damaged or not; None if it shows none."""
        shown = (self.fields.get(name) for name in ("spu", "sku", "refundNo", "id"))
        return next((str(code) for code in shown if code and isinstance(code, (str, int))), None)

    @property
    def key(self) -> str:
        """What tells it from other rows: its code, or all of it."""
        return self.code or write_json(self.document).decode()

    def texts(self) -> Iterator[str]:
        """Iterate over the texts and numbers in the row: the codes that it is about are among them."""
        left: list[object] = [self.document]
        while left:
            held = left.pop()
            if isinstance(held, dict):
                left += cast("dict[str, object]", held).values()
            elif isinstance(held, list):
                left += cast("list[object]", held)
            else:
                yield str(held)


class Memo(dict[K, V], Generic[K, V]):
    """A bounded cache of what was read before: a page repeats its prices, colours and sizes hundreds of times.

    Args:
        read: makes the value of a new key.
        known: values to start with.
    """

    _MOST_KEYS: Final = 8192
    _LONGEST_KEY: Final = 256

    def __init__(self, read: Callable[[K], V], known: dict[K, V] | None = None) -> None:
        super().__init__(known or {})
        self.read = read

    def __missing__(self, key: K) -> V:
        value = self.read(key)
        if not isinstance(key, str) or len(key) <= self._LONGEST_KEY:
            if len(self) >= self._MOST_KEYS:
                self.clear()
            self[key] = value
        return value


def read_text(value: object) -> str | None:
    """Read a text; a number becomes its digits."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InvalidValue.expected("a text", value)


def to_text(value: object) -> str | None:
    """Read a text; anything else than a text or a number becomes its JSON."""
    try:
        return read_text(value)
    except InvalidValue:
        return write_json(value).decode()


def read_integer(value: object) -> int | None:
    """Read a whole number, also from a text or with an empty fraction."""
    if type(value) is int:
        whole = value
    else:
        number = read_decimal(value, wanted="a whole number")
        if number is None:
            return None
        if number != number.to_integral_value():
            raise InvalidValue("must be a whole number, not one with a fraction")
        whole = int(number)
    if whole not in _INTEGERS:
        raise InvalidValue(_OUT_OF_BOUNDS)
    return whole


def read_decimal(value: object, *, wanted: str = "a number") -> Decimal | None:
    """Read a number exactly, to the last digit of its text."""
    if value is None or isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return _whole(value)
    if not isinstance(value, str):
        raise InvalidValue.expected(wanted, value)
    text = value.strip()
    if not text or text == "NULL":
        return None
    if len(text) > _MOST_DIGITS or not _NUMBER.fullmatch(text):
        raise InvalidValue(f"must be {wanted}, not a text that is none")
    return DECIMALS[text]


def read_time(value: object) -> datetime | None:
    """Read a moment from ISO 8601 with its offset, or from milliseconds since 1970."""
    if value is None or value == "" or value == "NULL":  # noqa: PLR1714 - it need not be hashable
        return None
    try:
        if isinstance(value, str) and not (value.isdecimal() and len(value) > _DATE_DIGITS):
            return _in_utc(datetime.fromisoformat(value))
        milliseconds = read_integer(value)
        return None if milliseconds is None else _EPOCH + timedelta(milliseconds=milliseconds)
    except (ValueError, OverflowError):
        raise InvalidValue("is no time that a calendar knows") from None


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise InvalidValue("is a time without its offset from UTC")
    return moment.astimezone(UTC)


def read_text_member(kind: type[OpenStrEnum], value: object) -> OpenStrEnum | None:
    """Read a status; the text "NULL" means that it is not set yet."""
    text = read_text(value)
    if text is None or text == "NULL" or (text == "" and "" not in list(kind)):
        return None
    return kind(text)


def read_number_member(kind: type[OpenIntEnum], value: object) -> OpenIntEnum | None:
    """Read a numeric status, also from a text."""
    number = None if value == "NULL" else read_integer(value)
    return None if number is None else kind(number)


def _exactly(text: str) -> Decimal:
    if len(text) > _LONGEST_NUMBER:
        raise InvalidValue(_OUT_OF_BOUNDS)
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent that decimal itself cannot hold
        raise InvalidValue(_OUT_OF_BOUNDS) from None
    if not -_MOST_DIGITS <= number.adjusted() <= _MOST_DIGITS:
        raise InvalidValue(_OUT_OF_BOUNDS)
    return number


def _whole(value: int) -> Decimal:
    if abs(value) > 10**_MOST_DIGITS:
        raise InvalidValue(_OUT_OF_BOUNDS)
    return Decimal(value)


DECIMALS: Final[Memo[str, Decimal]] = Memo(_exactly)  # keyed by the text: 4.6 and 4.60 stay two numbers
WHOLE_DECIMALS: Final[Memo[int, Decimal]] = Memo(_whole)
_CODES: Final = re.compile(r"(?=.*[0-9])[A-Za-z0-9_-]{1,64}|")  # or nothing: a sentence is no number


class OrderNumber(Number):
    """What the answer to a new order is read as."""

    __slots__ = ()

    names: ClassVar = ("kkorderids", "kkorderid", "orderids", "orderid", "ids", "id")


class RefundNumber(Number):
    """What the answer to a new refund is read as; the order's number may stand beside it."""

    __slots__ = ()

    names: ClassVar = ("refundnos", "refundno", "refundids", "refundid", "ids", "id")


def read_number(kind: type[N], value: object) -> N | None:
    """Read the number of what was made: a number, a text, an object that names it, or a list of these.

    An answer without any is empty; one that holds something else is refused: it does not say what it means.
    """
    if value is None or (isinstance(value, str) and "," not in value):
        return None if value is None else kind(value.strip())  # documented as a text, of whatever form
    return kind(*(dict.fromkeys(_numbers(value, kind.names)) or [""]))


def _numbers(value: object, names: tuple[str, ...]) -> Iterator[str]:
    match value:
        case None:
            pass
        case str() if all(map(_CODES.fullmatch, parts := [part.strip() for part in value.split(",")])):
            yield from filter(None, parts)
        case list():
            for element in cast("list[object]", value):
                yield from _numbers(element, names)
        case dict():
            fields = {name.casefold(): held for name, held in cast("dict[str, object]", value).items()}
            held = next((fields[name] for name in names if fields.get(name) not in (None, "", [])), None)
            if held is None and fields:
                raise InvalidValue("names no number")
            yield from _numbers(held, names)
        case int() | Decimal() if not isinstance(value, bool) and value == int(value):
            yield str(int(value))
        case _:
            raise InvalidValue.expected("a whole number", value)
