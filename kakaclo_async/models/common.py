"""What all areas share: records, pages, open enumerations, and JSON that travels inside strings."""

from collections.abc import Iterator, Mapping
from enum import Enum, IntEnum, StrEnum
from typing import Any, Final, Generic, Self, SupportsIndex, TypeVar, cast, overload

import attrs

from kakaclo_async.travel import (
    READ_AS,
    Travels,
    Unreadable,
    fields_of,
    model,
    read_plain,
    write_untyped,
)
from kakaclo_async.travel.shown import Shown, Tabled, count, cut

T_co = TypeVar("T_co", covariant=True)
V_co = TypeVar("V_co", covariant=True)

_WIRE_NAMES: Final = "kakaclo.wire_names"


def wire(*names: str) -> dict[str, tuple[str, ...]]:
    """Give a field's names on the wire, where they are not its own name in camel case.

    Args:
        names: the first is written; the first that holds a value is read.
    """
    return {_WIRE_NAMES: names}


def wire_names(field: "attrs.Attribute[Any]") -> tuple[str, ...]:
    """Return a field's names on the wire: those that `wire` gave it, or its own in camel case."""
    head, *rest = field.name.split("_")
    own = head + "".join(word.capitalize() for word in rest)
    return cast("tuple[str, ...]", field.metadata.get(_WIRE_NAMES, (own,)))


_LOOSE: Final = "kakaclo.loose"
LOOSE: Final = {_LOOSE: True}
"""The metadata of a time or text that is written in many ways, and whose loss is no reason to lose its record."""


def is_loose(field: "attrs.Attribute[Any]") -> bool:
    """Return whether a field is marked with `LOOSE`."""
    return _LOOSE in field.metadata


class Number(str, Travels):
    """The number that KakaClo gave an order or a refund: a text, exactly as on the wire.

    Attributes:
        all: every number of the answer, this one first; the documents promise one.
    """

    __slots__ = ("all",)

    all: tuple[str, ...]

    def __new__(cls, number: str, *others: str) -> Self:
        """Make one of the first number and the others."""
        made = super().__new__(cls, number)
        made.all = (str(number), *others)
        return made

    def __getnewargs__(self) -> tuple[str, ...]:  # type: ignore[override] # of several arguments
        return self.all

    def to_dict(self) -> dict[str, object]:
        """Return all numbers."""
        return {"all": [*self.all]}

    def to_plain(self) -> object:
        """Return a text where there is one number alone."""
        return str(self) if self.all == (self,) else self.to_dict()

    @classmethod
    def from_plain(cls, value: object, kind: object) -> object:
        """Make one of a text, or of all numbers."""
        del kind
        given = [value] if (fields := fields_of(value)) is None else fields.get("all")
        numbers = cast("tuple[str, ...]", read_plain(tuple[str, ...], given))
        if not numbers:
            raise Unreadable((("all",), "at least one number is required"))
        return cls(*numbers)

    @staticmethod
    def all_of(number: str) -> tuple[str, ...]:
        """Return every number that came with this one."""
        return number.all if isinstance(number, Number) else (number,)


class FrozenMapping(Travels, Mapping[str, V_co], Generic[V_co]):
    """A mapping that cannot change, and that pickles (`MappingProxyType` does not)."""

    __slots__ = ("_items",)

    _items: dict[str, V_co]

    def __init__(self, items: Mapping[str, V_co] | None = None) -> None:
        object.__setattr__(self, "_items", dict(items or {}))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __getitem__(self, key: str) -> V_co:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return cut(f"{type(self).__name__}({self._items!r})", 199)

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        return type(self), (self._items,)

    def to_dict(self) -> dict[str, object]:
        """Return its items; a number with a fraction is `{"$decimal": "1.50"}`, so that it is told from a text."""
        return cast("dict[str, object]", write_untyped(self._items))

    @classmethod
    def from_plain(cls, value: object, kind: object) -> object:
        """Make one of its items."""
        del kind
        if fields_of(value) is None:
            raise Unreadable.expected("an object", value)
        return cls(cast("Mapping[str, V_co]", read_plain(object, value)))


NO_EXTRA: Final[FrozenMapping[object]] = FrozenMapping()


@attrs.frozen(kw_only=True)
class Record(Shown):
    """The base of everything that KakaClo answers.

    Attributes:
        extra: the fields of the answer that this package does not know, as plain JSON data under their wire
            names (numbers with a fraction are Decimals). They take no part in `==`, so that a new field
            makes no two records differ, nor in `repr`, because they may hold anything, addresses included.
    """

    extra: Mapping[str, object] = attrs.field(
        default=NO_EXTRA, eq=False, repr=False, metadata={READ_AS: FrozenMapping[object]}
    )

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # One for all records: attrs would compile others for each class, a tenth of the package's import time.
        cls.__eq__ = Record.__eq__  # type: ignore[method-assign]
        cls.__hash__ = Record.__hash__  # type: ignore[method-assign]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record) or other.__class__ is not self.__class__:
            return NotImplemented
        return self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash((type(self), *self._compared()))

    def _compared(self) -> tuple[object, ...]:
        return tuple(getattr(self, field.name) for field in attrs.fields(type(self)) if field.eq)


@attrs.frozen(kw_only=True)
class Page(Tabled, Record, Generic[T_co]):
    """One page of a list; iterable, with a length, indexable.

    Attributes:
        list: the rows.
        total: the rows of all pages, as far as the server says.
        page_number: from 1.
        page_size: what the server reports, which is not always what it serves.
    """

    _rows = "list"

    list: tuple[T_co, ...] = ()
    total: int | None = None
    page_number: int | None = None
    page_size: int | None = None

    def __iter__(self) -> Iterator[T_co]:
        return iter(self.list)

    def __len__(self) -> int:
        return len(self.list)

    @overload
    def __getitem__(self, index: SupportsIndex) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T_co, ...]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> T_co | tuple[T_co, ...]:
        return self.list[index]

    def __repr__(self) -> str:
        rows = self.list or ()
        [kind] = {type(row).__name__ for row in rows} if len(set(map(type, rows))) == 1 else ["Row"]
        words = count(0, kind).removeprefix("0 ")
        of = "" if self.total is None else f" of {self.total:,}"
        place = "" if self.page_number is None else f", page {self.page_number:,}"
        return f"Page({len(rows):,}{of} {words}{place})"

    def to_dict(self) -> dict[str, object]:
        """Return it as plain data; `of` names what its rows are, so that they can be read again."""
        kinds = {type(row).__name__ for row in self.list if isinstance(row, Travels)}
        return super().to_dict() | ({"of": kinds.pop()} if len(kinds) == 1 else {})

    @classmethod
    def from_plain(cls, value: object, kind: object) -> object:
        """Make one of what `to_plain` gave, with rows of the kind that was asked for, or that it names."""
        if (given := fields_of(value)) is not None:
            value = {name: held for name, held in given.items() if name != "of"}
            if kind is cls and (of := given.get("of")) is not None:
                kind = Page[model(read_plain(str, of))]  # type: ignore[misc] # made at run time
        page = cast("Page[object]", super().from_plain(value, kind))
        if kind is cls and page is not value and dict in map(type, page.list):
            raise Unreadable((("of",), "it is missing: it names what the rows are, such as 'Product'"))
        return page


@attrs.frozen
class Option(Shown):
    """One property of a SKU: a colour, a size, a print.

    Attributes:
        name: "color", "size", "print"; None when the text could not be read.
        value: "Black", "XL"; may be empty; None when the text could not be read.
        raw: the JSON text as it came.
    """

    _brief = "value"

    name: str | None
    value: str | None
    raw: str = attrs.field(eq=False, repr=False)


class Attributes(FrozenMapping[str]):
    """The attributes of a product: a mapping of names to values, with the JSON text it came from.

    Attributes:
        raw: the text as it came; the mapping is empty when it could not be read.
    """

    __slots__ = ("raw",)

    raw: str

    def __init__(self, items: Mapping[str, str] | None = None, raw: str = "") -> None:
        super().__init__(items)
        object.__setattr__(self, "raw", raw)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __eq__(self, other: object) -> bool:
        return self._items == (other._items if isinstance(other, Attributes) else other)

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        return type(self), (self._items, self.raw)

    def to_dict(self) -> dict[str, object]:
        """Return its items, and the text that they came from."""
        return {"items": dict(self._items), "raw": self.raw}

    @classmethod
    def from_plain(cls, value: object, kind: object) -> object:
        """Make one of its items, with or without the text."""
        if isinstance(value, cls):
            return value
        del kind
        fields = fields_of(value) or {}
        if not fields.keys() <= {"items", "raw"}:
            raise Unreadable(((), "it must hold items and raw, and nothing else"))
        items = cast("Mapping[str, str]", read_plain(Mapping[str, str], fields.get("items")))
        return cls(items, cast("str", read_plain(str, fields.get("raw", ""))))


_MOST_UNKNOWN: Final = 1000
_LONGEST_KEPT: Final = 256


class _OpenEnum(Enum):
    """An enumeration that KakaClo may extend at any time.

    A value that is not documented becomes a member named UNKNOWN: `.value` is what came on the wire, and iteration
    shows the documented members only. The first 1,000 unknown values of a class are kept for the life of the process:
    of these, equal values are one object, and pickles keep their identity. Later ones are just equal.
    """

    @classmethod
    def _keep(cls, member: Self, value: str | int) -> Self:
        member._name_ = "UNKNOWN"
        member._value_ = value
        many = len(cls._value2member_map_) >= len(cls.__members__) + _MOST_UNKNOWN
        if many or (isinstance(value, str) and len(value) > _LONGEST_KEPT):
            return member
        return cls._value2member_map_.setdefault(value, member)  # type: ignore[return-value] # typed as Enum

    @property
    def is_known(self) -> bool:
        """Whether the value is documented."""
        return self._name_ != "UNKNOWN"


class OpenStrEnum(_OpenEnum, StrEnum):
    """An enumeration of texts that KakaClo may extend at any time; an unknown one is kept, named UNKNOWN."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls._keep(str.__new__(cls, value), str(value)) if isinstance(value, str) else None


class OpenIntEnum(_OpenEnum, IntEnum):
    """An enumeration of numbers that KakaClo may extend at any time; see `OpenStrEnum`."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        return cls._keep(int.__new__(cls, value), int(value))
