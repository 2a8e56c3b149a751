"""Orders and packages as KakaClo tells of them."""

from __future__ import annotations

from datetime import UTC, datetime

from kakaclo_async import Fulfillment, PackageStatus
from support.whole import a_line, an_order

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def items(*pairs):
    return tuple(a_line(sku_code=sku, product_num=count) for sku, count in pairs)


def package(name, *content, status=PackageStatus.SHIPPED, hour=12, **fields):
    given = {
        "carrier": "YunExpress",
        "tracking_code": f"T-{name}",
        "logistics_search_url": f"https://t.example/{name}",
    }
    return Fulfillment(
        pack_id=name,
        status=status,
        delivery_time=NOON.replace(hour=hour),
        items=items(*content),
        **given | fields,
    )


def order(number, custom_order_id, content, *packages, **fields):
    return an_order(
        id=number,
        custom_order_id=custom_order_id,
        order_items=items(*content),
        fulfillments=packages,
        **fields,
    )


def of(shipments, *names):
    """Return some attributes of each row."""
    return [tuple(getattr(row, name) for name in names) for row in shipments.rows]
