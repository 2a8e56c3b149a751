"""The files of tracking numbers that shops read: their columns, and what stands in them."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from kakaclo_async.shop.outgoing.tracking_lines import Shipped


Cell: TypeAlias = "Callable[[Shipped], str]"

_CARRIERS: Final = {
    **dict.fromkeys(("usps", "unitedstatespostalservice"), "USPS"),
    **dict.fromkeys(("ups", "unitedparcelservice"), "UPS"),
    "upsmi": "UPSMI",
    **dict.fromkeys(("fedex", "federalexpress"), "FedEx"),
    "fedexsmartpost": "FedEx SmartPost",
    **dict.fromkeys(("dhl", "dhlexpress"), "DHL"),
    "dhlglobalmail": "DHL Global Mail",
    "dhlecommerce": "DHL eCommerce",
    "ontrac": "OnTrac",
    "lasership": "Lasership",
    "royalmail": "Royal Mail",
    "canadapost": "Canada Post",
    "tnt": "TNT",
    "gls": "GLS",
    "aramex": "Aramex",
    "4px": "4PX",
    "yanwen": "Yanwen",
    "chinapost": "China Post",
    "sfexpress": "SF Express",
}
"""What Amazon calls carriers: others are "Other", with their names."""
_AMAZON_NAME: Final = 50


@attrs.frozen(kw_only=True)
class TrackingTarget:
    """A kind of file.

    Attributes:
        columns: what stands in the cells of a row.
        delimiter: between two cells.
        parts: whether rows that bring only a part of a piece are written: they carry one more number.
        name_holds: what the file's name must hold.
    """

    columns: dict[str, Cell]
    delimiter: str = ","
    parts: bool = False
    name_holds: str = ""


def _constant(text: str) -> Cell:
    return lambda _: text


def _amazon_carrier(row: Shipped) -> str:
    return _CARRIERS.get("".join(filter(str.isalnum, row.carrier.casefold())), "Other")


def _date(row: Shipped, form: str) -> str:
    return "" if row.shipped_at is None else row.shipped_at.astimezone(UTC).strftime(form)


def _number(count: int) -> str:
    return str(count) if count else ""


TRACKING_TARGETS: Final = {
    "matrixify": TrackingTarget(
        name_holds="Orders",
        columns={
            "Name": lambda row: row.custom_order_id,
            "Command": _constant("UPDATE"),
            "Line: Type": _constant("Fulfillment Line"),
            "Line: SKU": lambda row: row.shop_sku,
            "Line: Quantity": lambda row: str(row.quantity),
            "Fulfillment: Status": _constant("success"),
            "Fulfillment: Tracking Company": lambda row: row.carrier,
            "Fulfillment: Tracking Number": lambda row: ", ".join(row.tracking_codes),
            "Fulfillment: Tracking URL": lambda row: ", ".join(row.urls),
            "Fulfillment: Send Receipt": _constant("TRUE"),
        },
    ),
    "amazon": TrackingTarget(
        delimiter="\t",
        columns={
            "order-id": lambda row: row.custom_order_id,
            "order-item-id": lambda row: row.order_item_id or "",
            "quantity": lambda row: _number(row.quantity if row.order_item_id else 0),
            "ship-date": lambda row: _date(row, "%Y-%m-%d"),
            "carrier-code": _amazon_carrier,
            "carrier-name": lambda row: row.carrier[:_AMAZON_NAME] if _amazon_carrier(row) == "Other" else "",
            "tracking-number": lambda row: row.tracking_codes[-1],
            "ship-method": _constant(""),
        },
    ),
    "woo-ast": TrackingTarget(
        parts=True,
        columns={
            "order_id": lambda row: row.custom_order_id.removeprefix("#"),
            "tracking_provider": lambda row: row.carrier,
            "tracking_number": lambda row: row.tracking_codes[-1],
            "date_shipped": lambda row: _date(row, "%d-%m-%Y"),
            "status_shipped": lambda row: "1" if row.family_shipped else "2",
            "sku": lambda row: row.shop_sku if row.quantity else "",
            "qty": lambda row: _number(row.quantity),
        },
    ),
    "csv": TrackingTarget(
        parts=True,
        columns={
            "custom_order_id": lambda row: row.custom_order_id,
            "order_id": lambda row: row.order_id,
            "package": lambda row: row.package,
            "shop_sku": lambda row: row.shop_sku,
            "quantity": lambda row: str(row.quantity),
            "order_item_id": lambda row: row.order_item_id or "",
            "carrier": lambda row: row.carrier,
            "tracking_codes": lambda row: ", ".join(row.tracking_codes),
            "other_tracking_codes": lambda row: ", ".join(row.other_codes),
            "tracking_urls": lambda row: ", ".join(row.urls),
            "shipped_at": lambda row: _date(row, "%Y-%m-%dT%H:%M:%SZ"),
            "family_shipped": lambda row: "true" if row.family_shipped else "false",
        },
    ),
}
"""The files of tracking numbers that can be written, by their names."""
