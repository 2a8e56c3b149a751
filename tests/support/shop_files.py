"""Files of orders in the shapes that shops export, and what was read of them in short."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from kakaclo_async.shop import read_orders

FILES = Path(__file__).parents[1] / "shop" / "files"
M, L = "AMN00003_AP_M", "AMN00003_AP_L"
ADDRESS = {
    "recipient": "Nobody Shall-See",
    "phone": "555 0100 999",
    "street1": "1 Secret St",
    "city": "Orlando",
    "province": "Florida",
    "zip": "32801",
    "country": "US",
}
"""No part of it may stand in a problem or a note."""


def header_of(file):
    """Return the columns of an example file."""
    text = (FILES / file).read_bytes().decode("cp1252")
    return next(csv.reader(io.StringIO(text), delimiter="\t" if file.endswith(".txt") else ","))


SHOPIFY = header_of("shopify_status.csv")
AMAZON = header_of("amazon_unshipped.txt")
ETSY = header_of("etsy_sold_order_items.csv")
WOO = header_of("woo_default_line_items.csv")
OWN = header_of("kk_lower_country.csv")
EBAY = [
    "Sales Record Number",
    "Order Number",
    "Buyer Username",
    "Buyer Name",
    "Buyer Email",
    "Buyer Note",
    "Ship To Name",
    "Ship To Phone",
    "Ship To Address 1",
    "Ship To Address 2",
    "Ship To City",
    "Ship To State",
    "Ship To Zip",
    "Ship To Country",
    "Item Number",
    "Item Title",
    "Custom Label",
    "Sold Via Promoted Listings",
    "Quantity",
    "Sold For",
    "Shipping And Handling",
    "Total Price",
    "Payment Method",
    "Sale Date",
    "Paid On Date",
    "Ship By Date",
    "Shipped On Date",
    "Shipping Service",
    "Tracking Number",
    "Transaction ID",
    "Variation Details",
    "eBay Reference Name",
    "eBay Reference Value",
]
TIKTOK = [
    "Order ID",
    "Order Status",
    "Order Substatus",
    "Cancelation/Return Type",
    "SKU ID",
    "Seller SKU",
    "Product Name",
    "Variation",
    "Quantity",
    "Sku Quantity of return",
    "Created Time",
    "Paid Time",
    "Shipped Time",
    "Cancelled Time",
    "Delivery Option",
    "Buyer Message",
    "Recipient",
    "Phone #",
    "Country",
    "State",
    "City",
    "Zipcode",
    "Address Line 1",
    "Address Line 2",
]
WOO_ADVANCED = [
    "Order Number",
    "Order Status",
    "Order Date",
    "Customer Note",
    "First Name (Billing)",
    "Last Name (Billing)",
    "Address 1&2 (Billing)",
    "City (Billing)",
    "State Code (Billing)",
    "Postcode (Billing)",
    "Country Code (Billing)",
    "Phone (Billing)",
    "First Name (Shipping)",
    "Last Name (Shipping)",
    "Address 1&2 (Shipping)",
    "City (Shipping)",
    "State Code (Shipping)",
    "Postcode (Shipping)",
    "Country Code (Shipping)",
    "Shipping Method Title",
    "Order Refund Amount",
    "SKU",
    "Item #",
    "Item Name",
    "Quantity (- Refund)",
    "Quantity",
]


def address_cells(**columns):
    """Return the cells of `ADDRESS` by the columns of a shop."""
    return {columns[field]: value for field, value in ADDRESS.items() if field in columns}


SHIPPING = address_cells(
    recipient="Shipping Name",
    phone="Shipping Phone",
    street1="Shipping Address1",
    city="Shipping City",
    province="Shipping Province",
    zip="Shipping Zip",
    country="Shipping Country",
)
SHOPIFY_LINE = {
    "Lineitem quantity": "1",
    "Lineitem name": "Thing",
    "Lineitem sku": M,
    "Lineitem requires shipping": "true",
    "Lineitem fulfillment status": "pending",
}
SHOPIFY_ORDER = {"Financial Status": "paid", "Fulfillment Status": "unfulfilled", **SHIPPING, **SHOPIFY_LINE}
AMAZON_ORDER = {
    "sku": M,
    "product-name": "Thing",
    "quantity-purchased": "1",
    "quantity-to-ship": "1",
    "ship-service-level": "Standard",
    **address_cells(
        recipient="recipient-name",
        phone="buyer-phone-number",
        street1="ship-address-1",
        city="ship-city",
        province="ship-state",
        zip="ship-postal-code",
        country="ship-country",
    ),
}
EBAY_ADDRESS = address_cells(
    recipient="Ship To Name",
    phone="Ship To Phone",
    street1="Ship To Address 1",
    city="Ship To City",
    province="Ship To State",
    zip="Ship To Zip",
    country="Ship To Country",
) | {"Ship To Country": "United States"}
EBAY_ITEM = {
    "Item Number": "110",
    "Item Title": "Thing",
    "Custom Label": M,
    "Quantity": "1",
    "Sold For": "$10.00",
}
TIKTOK_ORDER = {
    "Order Status": "To ship",
    "Order Substatus": "Awaiting shipment",
    "Seller SKU": M,
    "Product Name": "Thing",
    "Quantity": "1",
    "Sku Quantity of return": "0",
    **address_cells(
        recipient="Recipient",
        phone="Phone #",
        street1="Address Line 1",
        city="City",
        province="State",
        zip="Zipcode",
        country="Country",
    ),
}
ETSY_ORDER = {
    "Sale Date": "12/31/23",
    "Item Name": "thing",
    "Quantity": "1",
    "SKU": M,
    **address_cells(
        recipient="Ship Name",
        street1="Ship Address1",
        city="Ship City",
        province="Ship State",
        zip="Ship Zipcode",
        country="Ship Country",
    ),
}
OWN_ORDER = {"sku": M, "quantity": "1", **ADDRESS}


def table(header, *rows, separator=",", end="\n"):
    """Write rows, each a dict by column."""
    text = io.StringIO()
    writer = csv.DictWriter(text, header, restval="", delimiter=separator, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read(text, **options):
    """Read a text; nothing that is said of it may repeat a part of `ADDRESS`."""
    found = read_orders(io.StringIO(text), **options)
    said = [each.problem for each in found.problems] + [each.note for each in found.notes]
    said += [each.reason for each in found.left_out]
    for part in (*ADDRESS.values(), "Secret", "Shall-See", "555"):
        assert not any(part in sentence for sentence in said if part != "US"), said
    assert found.unaccounted() == []
    return found


def items(found):
    """Return the orders to place, as SKUs and pieces by custom order id."""
    return {
        entry.custom_order_id: {item.sku: item.quantity for item in entry.order.items}
        for entry in found.orders
    }


def only(found):
    """Return the only order of a file, to which there is no problem."""
    assert found.problems == ()
    [entry] = found.orders
    return entry.order


def problems(found):
    """Return line, field and sentence of each problem."""
    return [(each.line, each.field, each.problem) for each in found.problems]


def reasons(found):
    """Return why rows were left out, by line."""
    return {each.line: each.reason for each in found.left_out}


def notes(found):
    """Return the fields that were changed, with their lines."""
    return [(each.line, each.field) for each in found.notes if each.field != "file"]
