"""What changed: the events of products, of SKUs, and of stock in all countries and in each.

A SKU's stock is told in two ways. As KakaClo states it, over all warehouses: for everybody. And as it can be sold, in
each country and in all of them: for those who list SKUs in a shop. That is 0 for a SKU that is off the shelf, dead or
gone, whatever lies in the warehouses. Where both are the same for all countries, one row says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import ColumnElement, Select, and_, bindparam, or_, select

from kakaclo_async.catalog import schema
from kakaclo_async.catalog.report import EVERYWHERE, STATED, ChangeKind
from kakaclo_async.database.migrations import among
from kakaclo_async.models.product import ON_SALE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from kakaclo_async.catalog.rows import Row


_STOCK_KINDS: Final = (ChangeKind.STOCK_CHANGED, ChangeKind.SOLD_OUT, ChangeKind.BACK_IN_STOCK)


def product_changes(old: Row | None, new: Row) -> list[Row]:
    """Return the events of a product, apart from its SKUs.

    Args:
        old: the stored row, None for a new product.
        new: the row that replaces it.
    """
    if old is None or old["gone_since"] is not None:
        return [_event(ChangeKind.PRODUCT_ADDED, new)]
    if old["spu_status"] == new["spu_status"]:
        return []
    return [_event(ChangeKind.STATUS_CHANGED, new, old["spu_status"], new["spu_status"])]


def sku_changes(old: Row | None, new: Row, *, new_product: bool, held: Mapping[str, int]) -> list[Row]:
    """Return the events of a SKU that came with its product.

    Args:
        old: the stored row, None for a new SKU.
        new: the row that replaces it.
        new_product: the product itself is new, which is one event for all its SKUs.
        held: the pieces that lie in each country, as far as known.
    """
    if old is None:
        return [] if new_product else [_event(ChangeKind.SKU_ADDED, new)]
    if old["gone_since"] is not None:
        return [*([] if new_product else [_event(ChangeKind.SKU_ADDED, new)]), *_sold(old, new, held, held)]
    events = [
        _event(kind, new, old[name], new[name])
        for name, kind in (
            ("price", ChangeKind.PRICE_CHANGED),
            ("cost", ChangeKind.COST_CHANGED),
            ("sku_status", ChangeKind.STATUS_CHANGED),
        )
        if old[name] != new[name]
    ]
    return events + stock_changes(old, new, held, held)


def stock_changes(old: Row, new: Row, before: Mapping[str, int], now: Mapping[str, int]) -> list[Row]:
    """Return the events of a SKU's stock: over all warehouses, and in each country.

    Args:
        old: the stored row.
        new: the same with the new stock or status.
        before: the pieces that lay in each country.
        now: those that lie there.
    """
    stated = (cast("int | None", old["stock"]), cast("int | None", new["stock"]))
    if stated == (_for_sale(old), _for_sale(new)):
        return _steps(new, *stated) + _in_countries(old, new, before, now)
    return _steps(new, *stated, country=STATED) + _sold(old, new, before, now)


def gone(row: Row) -> Row:
    """Return the event of a product or SKU that KakaClo does not know any more."""
    return _event(ChangeKind.GONE, row)


def sold_off(row: Row, held: Mapping[str, int]) -> list[Row]:
    """Return the events of a SKU that is gone, for those who list it."""
    return _sold(row, row | {"gone_since": True}, held, held)


def seen_by_all(changes: Iterable[Row]) -> int:
    """Count the events that are told to those who ask for no country."""
    return sum(change["country"] in {None, STATED} for change in changes)


def by_country(pieces: Iterable[Sequence[Any]]) -> dict[str, int]:
    """Add up pieces by their countries, given as pairs; the empty one is that of warehouses without one."""
    held: dict[str, int] = {}
    for where, qty in pieces:
        country = (where or "").strip().upper()
        held[country] = held.get(country, 0) + int(qty or 0)
    return held


def _sold(old: Row, new: Row, before: Mapping[str, int], now: Mapping[str, int]) -> list[Row]:
    """Return the events of what can be sold, in all countries and in each."""
    return _steps(new, _for_sale(old), _for_sale(new), country=EVERYWHERE) + _in_countries(
        old, new, before, now
    )


def _in_countries(old: Row, new: Row, before: Mapping[str, int], now: Mapping[str, int]) -> list[Row]:
    was_sold, is_sold = _sells(old), _sells(new)
    return [
        event
        for country in sorted({*before, *now} - {"", STATED, EVERYWHERE})
        for event in _steps(
            new,
            before.get(country, 0) if was_sold else 0,
            now.get(country, 0) if is_sold else 0,
            country=country,
        )
    ]


def _sells(row: Row) -> bool:
    return row["gone_since"] is None and (row["sku_status"] is None or row["sku_status"] in ON_SALE)


def _for_sale(row: Row) -> int | None:
    return cast("int | None", row["stock"]) if _sells(row) else 0


def _steps(row: Row, before: int | None, now: int | None, *, country: str | None = None) -> list[Row]:
    if before == now:
        return []
    was_there, is_there = (before or 0) > 0, (now or 0) > 0
    kind = ChangeKind.STOCK_CHANGED
    if was_there and not is_there:
        kind = ChangeKind.SOLD_OUT
    elif is_there and not was_there and before is not None:
        kind = ChangeKind.BACK_IN_STOCK
    return [_event(kind, row, before, now, country)]


def _event(
    kind: ChangeKind, row: Row, old: object = None, new: object = None, country: str | None = None
) -> Row:
    return {
        "kind": kind.value,
        "spu": row["spu"],
        "sku": row.get("sku"),
        "old": None if old is None else str(old),
        "new": None if new is None else str(new),
        "country": country,
    }


def changes_after(version: int, *, country: str | None, only: Collection[str] | None) -> Select[Any]:
    """Read changes in their order, after the id that is given as `after`.

    Args:
        version: the tables' version.
        country: stock as it can be sold in this country; None: over all warehouses.
        only: events of these SKUs and SPUs, with stock as it can be sold; None: of all.
    """
    of = schema.change.c
    found = select(*schema.columns(schema.change, version)).where(of.id > bindparam("after")).order_by(of.id)
    if version < schema.COUNTRIES:  # then there are only those over all warehouses
        found = found.where(of.kind.not_in(_STOCK_KINDS)) if country is not None else found
    elif country is not None:
        total = and_(of.country.is_(None), of.kind.not_in(_STOCK_KINDS))
        found = found.where(or_(of.country == country, total))
    else:
        found = found.where(or_(of.country.is_(None), of.country == (STATED if only is None else EVERYWHERE)))
    return found if only is None else found.where(_about(sorted(only)))


def _about(codes: Sequence[str]) -> ColumnElement[bool]:
    of, sku = schema.change.c, schema.sku.c
    products = select(sku.spu).where(among(sku.sku, codes))  # what happens to them happens to their SKUs
    return or_(among(of.sku, codes), among(of.spu, codes), and_(of.sku.is_(None), of.spu.in_(products)))
