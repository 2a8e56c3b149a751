"""The kinds of order files that are known, as data."""

from __future__ import annotations

from typing import Final

import attrs

from kakaclo_async.models.new_order import Address
from kakaclo_async.shop.incoming.dialect import HOLD, NO, YES, Dialect, Rule, picked_up, sent_by
from kakaclo_async.shop.incoming.dialects_woocommerce import WOO, WOO_ADVANCED

_SHOPIFY: Final = Dialect(
    name="shopify",
    title="Shopify's orders export",
    known_by=("Name", "Financial Status", "Lineitem sku"),
    needs=(
        ("Lineitem quantity",),
        ("Lineitem name",),
        ("Shipping Name",),
        ("Shipping Address1", "Shipping Street"),
        ("Shipping City",),
        ("Shipping Zip",),
        ("Shipping Country",),
    ),
    columns={
        "order": ("Name",),
        "date": ("Created at",),
        "service": ("Shipping Method",),
        "remark": ("Notes",),
        "sku": ("Lineitem sku",),
        "title": ("Lineitem name",),
        "quantity": ("Lineitem quantity",),
        "recipient": ("Shipping Name",),
        "company": ("Shipping Company",),
        "street1": ("Shipping Address1", "Shipping Street"),
        "street2": ("Shipping Address2",),
        "city": ("Shipping City",),
        "province": ("Shipping Province", "Shipping Province Name"),
        "zip": ("Shipping Zip",),
        "country": ("Shipping Country",),
        "phone": ("Shipping Phone", "Phone", "Billing Phone"),
    },
    rules=(
        Rule(column="Cancelled at", due=frozenset({""}), why="cancelled"),
        Rule(
            column="Financial Status",
            due=frozenset({"paid"}),
            reasons={
                "pending": "not paid yet: pending",
                "authorized": "not paid yet: authorized",
                "partially paid": "not paid yet: partially paid",
                "unpaid": "not paid yet",
                "expired": "not paid: expired",
                "refunded": "refunded",
                "partially refunded": HOLD,
                "voided": "voided",
                "": "its Financial Status is blank",
            },
        ),
        Rule(column="Refunded Amount", zero=True, needed=False, why=HOLD),
        Rule(
            column="Fulfillment Status",
            due=frozenset({"", "unfulfilled", "partial", "partially fulfilled", "pending", "null"}),
            reasons={"fulfilled": "fulfilled", "restocked": "restocked", "on hold": "on hold"},
            needed=False,
        ),
        Rule(
            column="Lineitem fulfillment status",
            due=frozenset({"", "pending", "unfulfilled", "null"}),
            reasons={
                "fulfilled": "fulfilled",
                "restocked": "restocked",
                "partial": "partly fulfilled: the file does not say how many pieces, so a person decides",
            },
            row=True,
        ),
        Rule(
            column="Lineitem requires shipping",
            due=YES,
            reasons=dict.fromkeys(NO, "it needs no shipping"),
            row=True,
        ),
    ),
    first_row="Financial Status",
    without_address="it has no shipping address, as orders that are picked up",
)

_AMAZON: Final = Dialect(
    name="amazon",
    title="Amazon's order report",
    known_by=("order-id", "order-item-id", "ship-address-1"),
    needs=(
        ("sku",),
        ("quantity-to-ship", "quantity-purchased"),
        ("recipient-name",),
        ("ship-city",),
        ("ship-postal-code",),
        ("ship-country",),
    ),
    columns={
        "order": ("order-id",),
        "line_id": ("order-item-id",),
        "date": ("purchase-date",),
        "service": ("ship-service-level",),
        "sku": ("sku",),
        "title": ("product-name",),
        "quantity": ("quantity-to-ship", "quantity-purchased"),
        "recipient": ("recipient-name",),
        "street1": ("ship-address-1",),
        "street2": ("ship-address-2",),
        "street3": ("ship-address-3",),
        "city": ("ship-city",),
        "province": ("ship-state",),
        "zip": ("ship-postal-code",),
        "country": ("ship-country",),
        "phone": ("ship-phone-number", "buyer-phone-number"),
        "ioss": ("ioss-number",),
    },
    rules=(
        Rule(
            column="is-buyer-requested-cancellation",
            due=NO | {""},
            reasons=dict.fromkeys(YES, "the buyer asks to cancel it, so a person decides"),
            row=True,
            needed=False,
        ),
        Rule(
            column="order-status",
            due=frozenset({"", "unshipped", "partiallyshipped", "pending shipment"}),
            reasons={"cancelled": "cancelled", "shipped": "shipped", "pending": "not paid yet: pending"},
            needed=False,
        ),
    ),
    together=(("quantity-shipped", "quantity-to-ship"),),
    literal_quotes=True,
    answered_by_line=True,
)

_EBAY: Final = Dialect(
    name="ebay",
    title="eBay's orders report",
    known_by=("Sales Record Number", "Order Number"),
    needs=(
        ("Ship To Name", "Post To Name"),
        ("Shipped On Date", "Dispatched On Date", "Posted On Date"),
        ("Custom Label", "Custom Label (SKU)"),
        ("Quantity",),
        ("Ship To Address 1", "Post To Address 1"),
        ("Ship To City", "Post To City"),
        ("Ship To Zip", "Post To Zip", "Post To Postcode"),
        ("Ship To Country", "Post To Country"),
    ),
    columns={
        "order": ("Order Number",),
        "line_id": ("Transaction ID",),
        "date": ("Sale Date", "Paid On Date"),
        "service": ("Shipping Service", "Delivery Service", "Postage Service"),
        "remark": ("Buyer Note",),
        "sku": ("Custom Label", "Custom Label (SKU)"),
        "title": ("Item Title",),
        "variant": ("Variation Details",),
        "item_number": ("Item Number",),
        "quantity": ("Quantity",),
        "recipient": ("Ship To Name", "Post To Name"),
        "street1": ("Ship To Address 1", "Post To Address 1"),
        "street2": ("Ship To Address 2", "Post To Address 2"),
        "city": ("Ship To City", "Post To City"),
        "province": ("Ship To State", "Post To State", "Post To County"),
        "zip": ("Ship To Zip", "Post To Zip", "Post To Postcode"),
        "country": ("Ship To Country", "Post To Country"),
        "phone": ("Ship To Phone", "Post To Phone", "Buyer Phone"),
        "ioss_name": ("eBay Reference Name",),
        "ioss": ("eBay Reference Value",),
    },
    rules=(
        Rule(column="Paid On Date", filled=True, why="not paid yet"),
        *(
            Rule(column=column, due=frozenset({""}), row=True, needed=False, why="shipped")
            for column in ("Shipped On Date", "Dispatched On Date", "Posted On Date")
        ),
        *picked_up("Shipping Service", "Delivery Service", "Postage Service"),
        Rule(
            column="Click And Collect",
            blocks=YES,
            row=True,
            needed=False,
            why="it is picked up",
        ),
        *sent_by("eBay", "eBay Fulfillment Program", "eBay Fulfilment Program", words=YES),
    ),
    summaries=True,
    has_footers=True,
)

_ETSY: Final = Dialect(
    name="etsy",
    title="Etsy's sold order items",
    known_by=("Sale Date", "Order ID", "Transaction ID", "Ship Address1", "Variations"),
    needs=(
        ("SKU",),
        ("Quantity",),
        ("Ship Name",),
        ("Ship City",),
        ("Ship Zipcode",),
        ("Ship Country",),
    ),
    columns={
        "order": ("Order ID",),
        "line_id": ("Transaction ID",),
        "date": ("Sale Date", "Date Paid"),
        "sku": ("SKU",),
        "title": ("Item Name",),
        "variant": ("Variations",),
        "quantity": ("Quantity",),
        "recipient": ("Ship Name",),
        "street1": ("Ship Address1",),
        "street2": ("Ship Address2",),
        "city": ("Ship City",),
        "province": ("Ship State",),
        "zip": ("Ship Zipcode",),
        "country": ("Ship Country",),
        "phone": ("Ship Phone", "Phone"),
    },
    rules=(
        Rule(column="Date Shipped", due=frozenset({""}), row=True, why="shipped"),
        Rule(
            column="Order Type",
            blocks=frozenset({"in person", "inperson"}),
            row=True,
            needed=False,
            why="it is sold in person",
        ),
        Rule(
            column="Listings Type",
            blocks=frozenset({"digital"}),
            row=True,
            needed=False,
            why="it is digital, and needs no shipping",
        ),
    ),
    without_address="it has no shipping address, as digital goods",
)

_ETSY_ORDERS: Final = Dialect(
    name="etsy-orders",
    title="Etsy's orders file",
    known_by=("Sale Date", "Order ID", "Number of Items"),
    refused='it holds no items; download "Order Items" instead',
)

_TIKTOK: Final = Dialect(
    name="tiktok",
    title="TikTok Shop's orders to ship",
    known_by=("Order ID", "Order Substatus", "Seller SKU"),
    needs=(
        ("Quantity",),
        ("Recipient",),
        ("Country",),
        ("City", "Regency and City"),
        ("Zipcode",),
        ("Address Line 1", "Detail Address"),
    ),
    columns={
        "order": ("Order ID",),
        "date": ("Created Time", "Paid Time"),
        "service": ("Delivery Option",),
        "remark": ("Buyer Message",),
        "sku": ("Seller SKU",),
        "title": ("Product Name",),
        "variant": ("Variation",),
        "item_number": ("SKU ID",),
        "quantity": ("Quantity",),
        "returned": ("Sku Quantity of return",),
        "recipient": ("Recipient",),
        "street1": ("Address Line 1", "Detail Address"),
        "street2": ("Address Line 2", "Additional address information"),
        "city": ("City", "Regency and City"),
        "province": ("State", "Province"),
        "zip": ("Zipcode",),
        "country": ("Country",),
        "phone": ("Phone #", "Phone"),
    },
    rules=(
        Rule(
            column="Order Substatus",
            due=frozenset({"awaiting shipment"}),
            reasons={
                "awaiting collection": "awaiting collection: it is packed already",
                "in transit": "shipped: in transit",
                "delivered": "delivered",
                "completed": "completed",
                "cancelled": "cancelled",
                "canceled": "cancelled",
                "on hold": "on hold",
                "unpaid": "not paid yet",
            },
            row=True,
        ),
        *(
            Rule(
                column=column,
                due=frozenset({"", "return", "refund", "return/refund"}),
                reasons=dict.fromkeys(
                    ("cancel", "cancelation", "cancellation", "cancelled", "canceled"),
                    "the buyer asks to cancel it, so a person decides",
                ),
                row=True,
                needed=False,
            )
            for column in ("Cancelation/Return Type", "Cancellation/Return Type")
        ),
        Rule(column="Order Refund Amount", zero=True, unless_returned=True, needed=False, why=HOLD),
        Rule(
            column="Order Status",
            blocks=frozenset(
                {"unpaid", "on hold", "shipped", "completed", "delivered", "cancelled", "canceled"}
            ),
            reasons={"unpaid": "not paid yet", "canceled": "cancelled"}
            | {status: status for status in ("on hold", "shipped", "completed", "delivered", "cancelled")},
            row=True,
            needed=False,
        ),
        *sent_by(
            "TikTok",
            *("Fulfillment Type", "Fulfilment Type"),
            words=("fulfillment by tiktok", "fulfilled by tiktok", "fulfilment by tiktok", "fbt"),
        ),
        *(
            Rule(column=column, due=frozenset({""}), row=True, needed=False, why="cancelled")
            for column in ("Cancelled Time", "Canceled Time")
        ),
        Rule(column="Shipped Time", due=frozenset({""}), row=True, needed=False, why="shipped"),
    ),
    has_descriptions=True,
)

_OWN: Final = Dialect(
    name="kakaclo",
    title="KakaClo's own format",
    known_by=("custom_order_id", "sku", "quantity"),
    needs=(("country",), ("recipient",)),
    columns={
        "order": ("custom_order_id",),
        **{name: (name,) for name in ("channel_type", "remark", "sale_platform", "sku", "quantity")},
        **{name: (name,) for name in attrs.fields_dict(Address)},
    },
    closed=True,
    strict=True,
)

DIALECTS: Final = (
    _OWN,
    _SHOPIFY,
    _AMAZON,
    _EBAY,
    _ETSY,
    _ETSY_ORDERS,
    _TIKTOK,
    WOO,
    WOO_ADVANCED,
)
