"""The kinds of order files that come out of WooCommerce, as data."""

from __future__ import annotations

from typing import Final

from kakaclo_async.shop.incoming.dialect import HOLD, Dialect, Rule, picked_up

_WOO_STATUS: Final = {
    "completed": "completed",
    "on hold": "on hold",
    "pending": "not paid yet: pending",
    "pending payment": "not paid yet: pending",
    "cancelled": "cancelled",
    "refunded": "refunded",
    "failed": "not paid: failed",
    "checkout draft": "a draft",
    "trash": "in the trash",
}
_WOO_ADDRESS: Final = {
    "company": "company",
    "street1": "address_1",
    "street2": "address_2",
    "city": "city",
    "province": "state",
    "zip": "postcode",
    "country": "country",
    "first": "first_name",
    "last": "last_name",
}


def _woo(kind: str, **columns: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {field: (f"{kind}_{name}",) for field, name in _WOO_ADDRESS.items()} | columns


WOO: Final = Dialect(
    name="woocommerce",
    title="WooCommerce's order export",
    known_by=("order_number", "status", "shipping_first_name"),
    needs=(
        ("line_items", "item_sku"),
        ("shipping_address_1",),
        ("shipping_city",),
        ("shipping_postcode",),
        ("shipping_country",),
    ),
    columns=_woo(
        "shipping",
        order=("order_number",),
        date=("date", "order_date", "date_created"),
        service=("shipping_method", "shipping_method_title"),
        remark=("customer_note",),
        list=("line_items",),
        sku=("item_sku",),
        title=("item_name",),
        variant=("item_variation", "item_meta"),
        item_number=("item_id", "item_product_id"),
        quantity=("item_quantity",),
        returned=("item_refunded_qty",),
        phone=("shipping_phone", "billing_phone"),
    ),
    billing=_woo("billing"),
    rules=(
        Rule(column="status", due=frozenset({"processing", "wc processing"}), reasons=_WOO_STATUS),
        *picked_up("shipping_method", "shipping_method_title"),
        Rule(column="refunded_total", zero=True, unless="item_refunded_qty", needed=False, why=HOLD),
        Rule(column="item_refunded", zero=True, unless="item_refunded_qty", row=True, needed=False, why=HOLD),
        Rule(column="refunds", due=frozenset({""}), unless="item_refunded_qty", needed=False, why=HOLD),
    ),
)

WOO_ADVANCED: Final = Dialect(
    name="woocommerce-advanced",
    title="WooCommerce's Advanced Order Export",
    known_by=("Order Number", "Order Status", "Address 1&2 (Shipping)"),
    needs=(
        ("SKU",),
        ("Quantity (- Refund)", "Quantity"),
        ("City (Shipping)",),
        ("Postcode (Shipping)",),
        ("Country Code (Shipping)", "Country Name (Shipping)", "Country (Shipping)"),
    ),
    columns={
        "order": ("Order Number",),
        "date": ("Order Date",),
        "service": ("Shipping Method Title", "Shipping Method"),
        "remark": ("Customer Note",),
        "sku": ("SKU",),
        "title": ("Item Name", "Name"),
        "variant": ("Product Variation", "Variation"),
        "quantity": ("Quantity (- Refund)", "Quantity"),
        "recipient": ("Full Name (Shipping)", "Name (Shipping)"),
        "first": ("First Name (Shipping)",),
        "last": ("Last Name (Shipping)",),
        "company": ("Company (Shipping)",),
        "street1": ("Address 1&2 (Shipping)",),
        "city": ("City (Shipping)",),
        "province": ("State Code (Shipping)", "State Name (Shipping)", "State (Shipping)"),
        "zip": ("Postcode (Shipping)",),
        "country": ("Country Code (Shipping)", "Country Name (Shipping)", "Country (Shipping)"),
        "phone": ("Phone (Shipping)", "Phone (Billing)"),
    },
    billing={
        "recipient": ("Full Name (Billing)", "Name (Billing)"),
        "first": ("First Name (Billing)",),
        "last": ("Last Name (Billing)",),
        "company": ("Company (Billing)",),
        "street1": ("Address 1&2 (Billing)",),
        "city": ("City (Billing)",),
        "province": ("State Code (Billing)", "State Name (Billing)", "State (Billing)"),
        "zip": ("Postcode (Billing)",),
        "country": ("Country Code (Billing)", "Country Name (Billing)", "Country (Billing)"),
    },
    rules=(
        Rule(column="Order Status", due=frozenset({"processing", "wc processing"}), reasons=_WOO_STATUS),
        *picked_up("Shipping Method Title", "Shipping Method"),
        Rule(column="Order Refund Amount", zero=True, unless="Quantity (- Refund)", needed=False, why=HOLD),
    ),
)
