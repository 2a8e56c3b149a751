"""What a kind of order file is: how to know it, which columns say what, and which rows are due."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.shop.incoming.table import as_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DATA: Final = re.compile(r"^[\W\d]*\d[\W\d]*$|^[A-Z]{2}$|@|\d{3}")
_NO_SIGN: Final = re.compile(r"[\W_]+")
HOLD: Final = "partially refunded: the file does not say which pieces, so a person decides"
YES: Final = frozenset(
    {"true", "yes", "1", "wahr", "vrai", "verdadero", "verdadeiro", "vero", "waar", "prawda", "sant", "sand"}
)
NO: Final = frozenset(
    {*("false", "no", "0", "falsch", "faux", "falso", "onwaar", "fałsz", "falskt", "falsk", "usann")}
)
"""With what spreadsheets write for them in other languages."""
_PICKED_UP: Final = frozenset(
    {
        *(
            "local pickup",
            "local pick up",
            "store pickup",
            "store pick up",
            "pickup in store",
            "pick up in store",
        ),
        *("in store pickup", "in store pick up", "click and collect", "abholung vor ort", "selbstabholung"),
        *("lokale abholung", "retrait en magasin", "recogida local", "recogida en tienda", "ritiro in sede"),
        *("ritiro in negozio", "afhalen in de winkel", "lokaal afhalen"),
    }
)
Columns = Mapping[str, tuple[str, ...]]
"""The column of each field; of several, the first that is filled."""


@attrs.frozen(kw_only=True)
class Rule:
    """What a column must hold for an order or a row to be due.

    Attributes:
        column: its name.
        due: the values that are due, in small letters, "_" and "-" as blanks; "" is a blank cell.
        filled: any value is due, a blank cell is not.
        blocks: values with these words in them are not due, all others are.
        zero: an amount of nothing is due, and a blank cell.
        reasons: why known other values are not due.
        row: it says something of its row alone; else of the whole order.
        unless_returned: it says nothing of an order of which some pieces come back, whose number the file has.
        unless: a column that makes this rule needless.
        needed: a file without the column is refused.
        why: the reason where no other is known.
    """

    column: str
    due: frozenset[str] = frozenset()
    filled: bool = False
    blocks: frozenset[str] = frozenset()
    zero: bool = False
    reasons: Mapping[str, str] = attrs.field(factory=dict[str, str])
    row: bool = False
    unless_returned: bool = False
    unless: str = ""
    needed: bool = True
    why: str = ""


@attrs.frozen(kw_only=True)
class Dialect:
    """A kind of order file.

    Attributes:
        name: what `OrderFile.dialect` says.
        title: what sentences call it.
        known_by: a file with all these columns is one.
        needs: other columns that it must have; of those in one tuple, one.
        together: pairs of columns; a file with the first and without the second is refused.
        columns: where the fields are.
        billing: the columns of the billing address, which takes the place of an empty shipping address.
        rules: what is due.
        closed: a column that is not in it is refused.
        strict: of quantities nothing but a ".0" is mended, and a row without an item is one whose SKU is missing.
        first_row: a column that only the first row of an order fills, or every row: never a row in between.
        summaries: a row that names no item is one whatever its quantity.
        has_descriptions: the first row may describe the columns.
        has_footers: the last rows may belong to no order.
        literal_quotes: quotes are characters like others where cells are separated by tabs.
        answered_by_line: a row's own number is needed for the way back.
        without_address: why an order without any address is left out; empty: that is a problem.
        refused: why such a file cannot be read.
    """

    name: str
    title: str
    known_by: tuple[str, ...]
    needs: tuple[tuple[str, ...], ...] = ()
    together: tuple[tuple[str, str], ...] = ()
    columns: Columns = attrs.field(factory=dict[str, tuple[str, ...]])
    billing: Columns = attrs.field(factory=dict[str, tuple[str, ...]])
    rules: tuple[Rule, ...] = ()
    closed: bool = False
    strict: bool = False
    first_row: str = ""
    summaries: bool = False
    has_descriptions: bool = False
    has_footers: bool = False
    literal_quotes: bool = False
    answered_by_line: bool = False
    without_address: str = ""
    refused: str = ""

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The columns that it knows, by their keys."""
        known = [*self.known_by, *(name for group in self.needs for name in group)]
        for columns in (self.columns, self.billing):
            known += [name for names in columns.values() for name in names]
        known += [rule.column for rule in self.rules]
        return {as_key(name): name for name in known}

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Return what a file with these columns lacks."""
        has = set(keys)
        groups = [
            *((name,) for name in self.known_by),
            *self.needs,
            *((rule.column,) for rule in self.rules if rule.needed),
            *((second,) for first, second in self.together if first in has),
        ]
        found = [" or ".join(map(repr, names)) for names in groups if has.isdisjoint(map(as_key, names))]
        return list(dict.fromkeys(found))


def picked_up(*columns: str) -> tuple[Rule, ...]:
    """Make the rules of columns that name the delivery: what the buyer fetches is not due."""
    return tuple(
        Rule(column=column, blocks=_PICKED_UP, row=True, needed=False, why="it is picked up")
        for column in columns
    )


def sent_by(whom: str, *columns: str, words: Iterable[str]) -> tuple[Rule, ...]:
    """Make the rules of columns whose words say that the marketplace itself sends the goods."""
    return tuple(
        Rule(column=column, blocks=frozenset(words), row=True, needed=False, why=f"{whom} sends it")
        for column in columns
    )


def known_columns(dialects: Sequence[Dialect], keys: Sequence[str]) -> int:
    """Count the columns that the dialect which fits best knows."""
    return max(sum(key in dialect.names for key in keys) for dialect in dialects)


def dialect_of(dialects: Sequence[Dialect], header: Sequence[str], line: int) -> Dialect:
    """Return the dialect of a file with this header.

    Raises:
        InvalidRequest: none has it, or it lacks columns, or has others where none may be added.
    """
    keys = [as_key(name) for name in header]
    has = set(keys)
    fits = [dialect for dialect in dialects if has >= set(map(as_key, dialect.known_by))]
    dialect = max(
        fits or dialects,
        key=lambda each: (
            sum(key in each.names for key in keys),
            sum(as_key(name) in has for name in each.known_by) / len(each.known_by),
        ),
    )
    if fits and dialect.refused:
        raise InvalidRequest(f"this is {dialect.title}, which cannot be read: {dialect.refused}")
    missing = dialect.missing(keys)
    unknown = [
        name.strip()
        for name, key in zip(header, keys, strict=True)
        if key not in dialect.names and (name.strip() or len(header) == 1)
    ]
    if fits and not missing and not (dialect.closed and unknown):
        _refuse_misspelt(dialect, unknown, has, line)
        return dialect
    trouble = [f"lacks the columns {', '.join(missing)}"] if missing else []
    if unknown and (dialect.closed or not fits):
        trouble.append(f"has the unknown column{'s' if len(unknown) > 1 else ''} {_listed(unknown)}")
    if dialect.closed:
        trouble.append(f"use {', '.join(dialect.names.values())}")
    said = "it is" if fits else "it is no order file that is known; the nearest is"
    if not fits and any(
        map(_is_data, header)
    ):  # an order may stand where the header should: it is not repeated
        raise InvalidRequest(
            f"line {line}: it has no header: the first row must name the columns. The nearest kind of file is"
            f" {dialect.title} ({dialect.name}): it {trouble[0]}"
        )
    raise InvalidRequest(f"line {line}: {said} {dialect.title} ({dialect.name}): it {'; '.join(trouble)}")


def _refuse_misspelt(dialect: Dialect, unknown: Sequence[str], has: set[str], line: int) -> None:
    """Refuse a column that is not there, but nearly, where it decides what is due: without it too much is."""
    deciding = [rule.column for rule in dialect.rules]
    deciding += [name for field in ("quantity", "returned") for name in dialect.columns.get(field, ())]
    for column in deciding:
        for name in unknown if as_key(column) not in has else ():
            if _is_near(_NO_SIGN.sub("", as_key(name)), _NO_SIGN.sub("", as_key(column))):
                raise InvalidRequest(
                    f"line {line}: the column {name[:40]!r} is nearly {column!r}, which decides what is due: is it"
                    " misspelt?"
                )


def _is_near(one: str, other: str) -> bool:
    """Whether two words are the same but for one letter."""
    short, long = sorted((one, other), key=len)
    start = next((at for at, sign in enumerate(short) if sign != long[at]), len(short))
    return short[start:] == long[start + 1 :] or short[start + 1 :] == long[start + 1 :]


def _is_data(cell: str) -> bool:
    """Whether a cell is rather a value than the name of a column."""
    return _DATA.search(cell.strip()) is not None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name[:40]) for name in names)
