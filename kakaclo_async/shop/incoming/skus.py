"""From the SKUs of a shop to KakaClo's: a table of a user's, and a first guess at it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TextIO

import attrs

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models._checks import check_code
from kakaclo_async.shop.addresses import clean
from kakaclo_async.shop.incoming.documents import WHOLE_NUMBER
from kakaclo_async.shop.incoming.table import as_key, data_rows, find_header, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_COLUMNS: Final = ("shop_sku", "sku", "pieces", "title", "variant", "count")
_NO_SIGN: Final = re.compile(r"[\W_]+")


@attrs.frozen
class Part:
    """What one of a shop's goods is made of: a SKU of KakaClo's, and how many of it."""

    sku: str
    pieces: int


@attrs.frozen
class SkuMap:
    """A table from a shop's SKUs to KakaClo's.

    Attributes:
        parts: by the shop's SKU; none: the shop's own goods, which KakaClo does not have.
        titles: the same for goods without a SKU, by title and variant, in words alone.
    """

    parts: Mapping[str, tuple[Part, ...]]
    titles: Mapping[str, tuple[Part, ...]]

    def find(self, sku: str, title: str, variant: str) -> tuple[Part, ...] | None:
        """Return what goods are made of, or None where the table does not know them.

        Args:
            sku: the shop's; where it is empty, title and variant count.
            title: the name of the goods.
            variant: their size and colour.
        """
        if sku:
            return self.parts.get(sku)
        keys = (in_words(f"{title} {variant}"), in_words(variant)) if variant else (in_words(title),)
        return next((self.titles[key] for key in keys if key and key in self.titles), None)


def in_words(text: str) -> str:
    """Write a title in small letters and digits, a blank between words."""
    return _NO_SIGN.sub(" ", text.casefold()).strip()


def name_of(title: str, variant: str) -> str:
    """Return what stands in a table for goods without a SKU."""
    return " / ".join(" ".join(text.split()) for text in (title, variant) if text)


def read_map(source: str | Path | TextIO) -> SkuMap:
    """Read a table with the columns shop_sku, sku and pieces; several rows of one shop_sku are a bundle.

    Raises:
        InvalidRequest: no such file, a table that says two things, or one in which no SKU is filled in.
    """
    text = read_text(source)
    try:
        table: dict[str, list[tuple[int, Part | None]]] = {}
        for line, cells in _cells(text.text):
            key = cells["shop_sku"] or f"{cells.get('title', '')} {cells.get('variant', '')}".strip()
            table.setdefault(key, []).append((line, _part(line, cells)))
        parts = {key: _bundle(key, rows) for key, rows in table.items()}
        _check_filled_in(parts)
    except InvalidRequest as error:
        raise InvalidRequest(f"{text.name} cannot be read: {error}") from None
    titles: dict[str, set[tuple[Part, ...]]] = {}
    for key, bundle in parts.items():
        titles.setdefault(in_words(key), set()).add(bundle)
    # Rows that differ in their signs alone, and say two things, say nothing of goods without a SKU.
    return SkuMap(parts, {key: found.pop() for key, found in titles.items() if len(found) == 1})


def _cells(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    header = find_header(text, lambda keys: len(set(keys) & set(_COLUMNS)))
    names = [as_key(name) for name in header.row.cells]
    missing = [name for name in ("shop_sku", "sku") if name not in names]
    unknown = [name for name in names if name and name not in _COLUMNS]
    if missing or unknown:
        raise InvalidRequest(
            f"line {header.row.line}: a map of SKUs has the columns shop_sku, sku, pieces; missing:"
            f" {', '.join(missing) or 'none'}; unknown: {', '.join(map(repr, unknown)) or 'none'}"
        )
    for row in data_rows(text, header, literal=False):
        if len(row.cells) != len(names):
            raise InvalidRequest(
                f"line {row.line}: it has {len(row.cells)} cells, and the header {len(names)}"
            )
        cells = {name: clean(cell)[0] for name, cell in zip(names, row.cells, strict=True)}
        if not (cells["shop_sku"] or cells.get("title") or cells.get("variant")):
            raise InvalidRequest(f"line {row.line}: shop_sku is empty")
        yield row.line, cells


def _part(line: int, cells: Mapping[str, str]) -> Part | None:
    sku, pieces = cells["sku"], cells.get("pieces", "") or "1"
    if not sku:
        return None
    pieces = pieces.removesuffix(".0")
    if not WHOLE_NUMBER.fullmatch(pieces) or int(pieces) < 1:
        raise InvalidRequest(f"line {line}: pieces must be a whole number above 0")
    try:
        return Part(check_code(sku, "sku"), int(pieces))
    except InvalidRequest as error:
        raise InvalidRequest(f"line {line}: {error}") from None


def _check_filled_in(parts: Mapping[str, tuple[Part, ...]]) -> None:
    # Every order would be left out, run after run, and nothing would look wrong.
    if parts and not any(parts.values()):
        raise InvalidRequest("no row has a sku, so nothing would be sent: fill in KakaClo's SKUs")


def _bundle(key: str, rows: Sequence[tuple[int, Part | None]]) -> tuple[Part, ...]:
    parts = [part for _, part in rows if part is not None]
    if len(rows) > 1 and (len(parts) != len(rows) or len({part.sku for part in parts}) != len(parts)):
        raise InvalidRequest(
            f"line {rows[-1][0]}: {key!r} says something else than line {rows[0][0]}: a bundle names each SKU once"
        )
    return tuple(parts)
