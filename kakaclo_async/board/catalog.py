"""The pages of the catalog: a list to search and filter, and a product with its stock and its prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import attrs
import msgspec
from aiohttp import web

from kakaclo_async.board.charts import steps
from kakaclo_async.board.desk import key_of, picture
from kakaclo_async.board.queries import detail, products
from kakaclo_async.board.search import SORTS, Search
from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.product import ProductStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kakaclo_async.board.desk import Desk
    from kakaclo_async.board.queries import Detail, Row
    from kakaclo_async.board.shelf import Shelf

_MOST_WORDS = 8
_MOST_LINES = 8
"""SKUs whose prices one chart draws."""


@attrs.frozen(eq=False)
class CatalogPages:
    """The catalog.

    Args:
        desk: what is shown.
        shelf: what is searched; None: there is no mirror.
    """

    desk: Desk
    shelf: Shelf | None

    async def listing(self, request: web.Request) -> web.Response:
        """Show a page of products."""
        shelf, db = self.shelf, self.desk.db
        if shelf is None or db is None:
            return self.desk.page(request, "no_mirror.html")
        given = request.query
        search = read_search(given)
        await shelf.freshen()
        async with db.reading() as connection:
            found = await shelf.find(connection, search)
            rows = await products(connection, found.spus)
        asked = {name: value for name, value in given.items() if value and name != "after"}
        return self.desk.page(
            request,
            "catalog.html",
            rows=[_card(row) for row in rows],
            next=found.next and f"/?{urlencode({**asked, 'after': found.next})}",
            first=bool(search.after) and f"/?{urlencode(asked)}",
            asked=asked,
            shelf=shelf,
            sorts=SORTS,
            statuses=list(ProductStatus),
        )

    async def product(self, request: web.Request) -> web.Response:
        """Show a product."""
        db = self.desk.db
        if db is None:
            return self.desk.page(request, "no_mirror.html")
        async with db.reading() as connection:
            found = await detail(connection, key_of(request))
        if found is None:
            raise web.HTTPNotFound
        return self.desk.page(
            request,
            "product.html",
            product=found.product,
            status=ProductStatus(found.product["spu_status"])
            if found.product["spu_status"] is not None
            else None,
            pictures=_pictures(found.product["sku_img_url"])[:8],
            skus=[_variant(found, row) for row in found.skus],
            warehouses=found.warehouses,
            prices=_prices(found, self.desk),
            changes=found.changes[:50],
        )


def read_search(given: Mapping[str, str]) -> Search:
    """Read what an address asks for.

    Raises:
        InvalidRequest: no number where one belongs, or no such order.
    """
    sort = given.get("sort") or "newest"
    if sort not in SORTS:
        raise InvalidRequest(f"sort must be one of {', '.join(SORTS)}")
    low, high = _number(given, "low"), _number(given, "high")
    category, status = _number(given, "category"), _number(given, "status")
    return Search(
        words=tuple(given.get("q", "").casefold().split()[:_MOST_WORDS]),
        category=None if category is None else int(category),
        status=None if status is None else int(status),
        country=given.get("country", "").strip().upper()[:8] or None,
        low=low,
        high=high,
        sort=sort,
        after=given.get("after") or None,
    )


def _number(given: Mapping[str, str], name: str) -> float | None:
    text = given.get(name, "").strip()
    try:
        number = float(text) if text else None
    except ValueError:
        number = -1.0
    if number is not None and not 0 <= number < 1e15:
        raise InvalidRequest(f"{name} must be a number that is not negative")
    return number


def _card(row: Row) -> dict[str, Any]:
    status = row["spu_status"]
    found = _pictures(row["sku_img_url"])
    return {
        **row,
        "picture": found[0] if found else "",
        "status": None if status is None else ProductStatus(status),
    }


class _Images(msgspec.Struct):
    imgUrl: list[str] = []  # noqa: N815 - as KakaClo writes it; msgspec copies the list


class _Option(msgspec.Struct):
    value: str | int | None = None


def _pictures(text: str | None) -> list[str]:
    """Return the addresses of a product's pictures, each once."""
    try:
        groups = msgspec.json.decode(text or "[]", type=list[_Images])
    except ValueError:
        return []
    return list(dict.fromkeys(url for group in groups for url in group.imgUrl if picture(url)))


def _variant(found: Detail, row: Row) -> dict[str, Any]:
    status = row["sku_status"]
    return {
        **row,
        "status": None if status is None else ProductStatus(status),
        "picture": picture(row["main_img"]),
        "options": ", ".join(
            filter(None, (_option(row[name]) for name in ("option1", "option2", "option3")))
        ),
        "held": found.stock.get(row["sku"], {}),
    }


def _option(text: str | None) -> str:
    try:
        return str(msgspec.json.decode(text or "{}", type=_Option).value or "")
    except ValueError:
        return ""


def _prices(found: Detail, desk: Desk) -> Any:
    """Draw what each SKU has cost since the mirror knows it; None when no price has ever changed."""
    series: dict[str, list[tuple[float, float]]] = {}
    now = desk.now().timestamp()
    changed = [row for row in reversed(found.changes) if row["kind"] == "price_changed" and row["new"]]
    for row in changed:
        points = series.setdefault(row["sku"], [])
        if not points and row["old"]:
            began = found.product["create_time"] or row["at"]
            points.append((min(began.timestamp(), row["at"].timestamp() - 1), float(row["old"])))
        points.append((row["at"].timestamp(), float(row["new"])))
    for points in series.values():
        points.append((max(now, points[-1][0] + 1), points[-1][1]))  # two clocks may differ
    drawn: Sequence[tuple[str, list[tuple[float, float]]]] = list(series.items())[:_MOST_LINES]
    return steps(drawn, f"Price of {found.product['spu']} in US dollars, over time") if drawn else None
