"""A first guess at the table from a shop's SKUs to KakaClo's, for a person to complete."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import attrs

from kakaclo_async.shop.incoming.skus import in_words, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kakaclo_async.shop.incoming.order_file import OrderFile


@attrs.frozen
class MapRow:
    """A row of such a table.

    Attributes:
        shop_sku: the shop's SKU, or title and variant.
        sku: KakaClo's; empty: not guessed.
        pieces: how many of it one is.
        title: title and variant, for the eye.
        count: in how many rows of the file it stands.
    """

    shop_sku: str
    sku: str
    pieces: int
    title: str
    count: int


def guess_map(order_file: OrderFile, known_skus: Iterable[str]) -> list[MapRow]:
    """Guess a table: a row for each of a shop's goods, with KakaClo's SKU where theirs is the same but for its signs.

    Args:
        order_file: what was read.
        known_skus: KakaClo's, as from a mirror.
    """
    exact = set(known_skus)
    loose: dict[str, set[str]] = {}
    for sku in exact:
        loose.setdefault(_plain(sku), set()).add(sku)
    rows: dict[str, MapRow] = {}
    for goods in order_file.goods:
        title = name_of(goods.title, goods.variant)
        key = goods.sku or title
        if not key:
            continue
        near = {goods.sku} if goods.sku in exact else loose.get(_plain(goods.sku), set())
        guess = next(iter(near)) if goods.sku and len(near) == 1 else ""
        row = rows.setdefault(key, MapRow(key, guess, 1, title, 0))
        rows[key] = attrs.evolve(row, count=row.count + goods.count)
    return list(rows.values())


def _plain(sku: str) -> str:
    return in_words(sku).replace(" ", "")


def write_map(rows: Iterable[MapRow], target: str | Path | TextIO) -> None:
    """Write a table that `read_map` reads; an empty SKU there says that goods are not KakaClo's."""
    if isinstance(target, (str, Path)):
        with Path(target).open("w", encoding="utf-8", newline="") as file:
            write_map(rows, file)
        return
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(("shop_sku", "sku", "pieces", "title"))
    for row in rows:
        writer.writerow((row.shop_sku, row.sku, row.pieces if row.sku else "", row.title))
