"""Each example file is read to the orders that a careful person would place, and says why all else is not sent."""

from __future__ import annotations

import json
import shutil

import pytest
from support.shop_files import FILES, L, M, items, notes, problems, reasons

from kakaclo_async import InvalidRequest
from kakaclo_async.shop import read_orders

OWN_GOODS = FILES / "own_sku.map.csv"


def outcome(file, **options):
    return read_orders(FILES / file, **options)


def test_shopify_sends_what_is_paid_and_not_fulfilled():
    found = outcome("shopify_status.csv", sku_map=OWN_GOODS)

    assert found.dialect == "shopify"
    assert items(found) == {"#1001": {M: 2, L: 1}, "#1006": {L: 1}}
    assert found.problems == ()
    assert reasons(found) == {
        3: "not KakaClo's, says the map of SKUs",
        5: "fulfilled",
        6: "cancelled; refunded",
        7: "not paid yet: pending",
        8: "partially refunded: the file does not say which pieces, so a person decides",
        9: "fulfilled",
    }
    assert [entry.item_lines for entry in found.orders] == [(2, 4), (10,)]
    assert [entry.lines for entry in found.orders] == [(2, 3, 4), (9, 10)]


def test_shopify_cells_are_made_ready():
    found = outcome("shopify_cells.csv")

    assert found.problems == ()
    orders = {entry.custom_order_id: entry.order for entry in found.orders}
    assert list(orders) == ["#2001", "#2002", "#2003", "#2004", "#2005"]
    assert orders["#2001"].address.zip == "02155"
    assert orders["#2001"].address.phone == "+15550100"
    assert orders["#2001"].remark == "line one\nline two \N{WRAPPED PRESENT}"
    assert orders["#2002"].address.phone == "+1 555 0102"
    assert orders["#2003"].address.country == "GB"
    assert orders["#2004"].address.street1 == "Flat 12, The Very Long House Name Buildings, Block C"
    assert orders["#2004"].address.street2 == "1234 Northwest Ave"
    assert (orders["#2005"].address.country, orders["#2005"].address.province) == ("FR", "Paris")
    assert reasons(found) == {8: "it needs no shipping"}
    assert notes(found) == [
        (2, "address.phone"),
        (2, "address.zip"),
        (4, "address.phone"),
        (4, "address.zip"),
        (6, "address.zip"),
        (6, "address.street2"),
        (7, "address.zip"),
        (7, "address.province"),
    ]


def test_amazon_sends_what_is_left_to_ship():
    found = outcome("amazon_unshipped.txt")

    prefix = "111-000000"
    assert items(found) == {
        f"{prefix}1-0000001": {M: 2, L: 1},
        f"{prefix}2-0000002": {M: 1},
        f"{prefix}4-0000004": {M: 1},
    }
    assert reasons(found) == {5: "nothing to ship: its quantity is 0"}
    assert problems(found) == [(7, "address.recipient", "it takes at most 32 characters, not 38")]
    last = found.orders[-1].order
    assert last.address.street2 == "Unit 5"
    assert last.channel_type == "Standard"
    assert notes(found) == [(6, "address.street2"), (6, "channel_type")]


def test_amazon_is_expedited_as_the_user_maps_it():
    found = outcome("amazon_unshipped.txt", channels={"Expedited": "Expedited"})

    assert [entry.order.channel_type for entry in found.orders] == ["Standard", "Standard", "Expedited"]
    assert (6, "channel_type") not in notes(found)


def test_etsy_takes_a_phone_and_holds_what_has_no_sku():
    found = outcome("etsy_sold_order_items.csv", phone="+1 555 0199")

    assert items(found) == {"3150000001": {M: 1, L: 2}, "3150000003": {M: 1}, "3150000005": {M: 1}}
    assert reasons(found) == {4: "shipped"}
    [(line, field, problem)] = problems(found)
    assert (line, field) == (6, "items[0].sku")
    assert "a SKU is missing" in problem
    addresses = [entry.order.address for entry in found.orders]
    assert [address.phone for address in addresses] == ["+1 555 0199"] * 3
    assert [address.country for address in addresses] == ["US", "GB", "CA"]
    assert [address.province for address in addresses] == ["MA", "Liverpool", "QC"]
    assert addresses[2].city == "Montréal"
    assert {(2, "address.phone"), (5, "address.province")} <= set(notes(found))


def test_etsy_without_a_phone_holds_everything_that_is_due():
    found = outcome("etsy_sold_order_items.csv")

    assert found.orders == ()
    assert {line for line, field, _ in problems(found) if field == "address.phone"} == {2, 5, 6, 7}


@pytest.mark.parametrize(
    "key",
    ["thing / Size:M,Color:Red", "Size:M,Color:Red", "thing Size:M Color:Red", "Thing - size: M, color: red"],
)
def test_etsy_goods_without_a_sku_are_mapped_by_their_variations(tmp_path, key):
    table = tmp_path / "map.csv"
    table.write_text(f'shop_sku,sku,pieces\n{M},{M},1\n{L},{L},1\n"{key}",{M},3\n')

    found = outcome("etsy_sold_order_items.csv", phone="+1 555 0199", sku_map=table)

    assert found.problems == ()
    assert items(found)["3150000004"] == {M: 3}


def test_woocommerce_reads_the_items_of_one_cell():
    found = outcome("woo_default_line_items.csv", sku_map=OWN_GOODS)

    assert items(found) == {"501": {M: 2}}
    assert reasons(found) == {2: "not KakaClo's, says the map of SKUs", 3: "completed", 4: "on hold"}
    assert problems(found) == [
        (5, "address", "the shipping address is empty, and the billing address is not whole")
    ]
    address = found.orders[0].order.address
    assert (address.province, address.zip, address.phone) == ("SN", "01067", "+49 555 0100")


def test_a_country_in_small_letters_is_sent_as_its_code():
    [entry] = outcome("kk_lower_country.csv").orders
    assert entry.order.address.country == "US"


def test_blanks_around_a_sku_are_stripped_and_a_problem_has_its_line():
    found = outcome("kk_sku_blanks.csv")

    assert items(found) == {"K1": {M: 1}}
    assert problems(found) == [(3, "address.country", "it must be a code of two letters: write US")]


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(InvalidRequest, match="line 1: the column 'sku' is there twice"):
        outcome("kk_two_sku_columns.csv")


def test_blank_rows_are_no_orders():
    found = outcome("kk_blank_rows.csv")

    assert items(found) == {"K1": {M: 1}}
    assert (found.left_out, found.problems) == ((), ())


def test_semicolons_and_windows_1252_are_read():
    found = outcome("excel_semicolon_cp1252.csv")

    assert found.orders[0].order.address.city == "Montréal"
    assert [(each.order, each.line, each.field) for each in found.notes] == [("", 2, "file")]


def test_a_map_of_skus_makes_sets_and_bundles():
    found = outcome("orders_for_sku_map.csv", sku_map=FILES / "sku_map.csv")

    assert items(found) == {"K1": {M: 1}, "K2": {M: 6}, "K3": {M: 1, L: 1}}
    assert reasons(found) == {5: "not KakaClo's, says the map of SKUs"}
    assert problems(found) == [(6, "items[0].sku", "the map of SKUs does not have 'NOT-IN-MAP'")]


def test_what_programs_rely_on():
    document = outcome("shopify_status.csv", sku_map=OWN_GOODS).to_dict()

    assert json.loads(json.dumps(document)) == document
    assert list(document) == ["dialect", "orders", "left_out", "problems", "notes"]
    assert document["orders"][1] == {
        "custom_order_id": "#1006",
        "channel_type": "Standard",
        "items": [{"sku": L, "quantity": 1}],
        "address": {
            "country": "US",
            "phone": "+1 555 0100",
            "recipient": "Test Alpha",
            "province": "FL",
            "street1": "1 Main St",
            "street2": None,
            "city": "Miami",
            "zip": "33101",
            "ioss": None,
            "vat": None,
        },
        "line": 9,
    }
    assert document["left_out"][0] == {
        "order": "#1001",
        "line": 3,
        "sku": "MY-MUG-1",
        "reason": "not KakaClo's, says the map of SKUs",
    }
    assert document["notes"][0].keys() == {"order", "line", "field", "note"}
    problem = outcome("kk_sku_blanks.csv").to_dict()["problems"][0]
    assert problem.keys() == {"order", "line", "field", "problem"}


def test_the_rows_of_the_file_are_kept_for_who_writes_results():
    found = outcome("shopify_status.csv")

    assert len(found.header) == 79
    assert [(row.line, row.order) for row in found.rows] == [
        (2, "#1001"),
        (3, "#1001"),
        (4, "#1001"),
        (5, "#1002"),
        (6, "#1003"),
        (7, "#1004"),
        (8, "#1005"),
        (9, "#1006"),
        (10, "#1006"),
    ]
    assert all(len(row.cells) == 79 for row in found.rows)


@pytest.mark.parametrize("file", sorted(path.name for path in FILES.iterdir()))
def test_the_name_of_a_file_says_nothing(tmp_path, file):
    """Shops call a file of tabs .csv, and systems rename what is downloaded."""
    renamed = tmp_path / "orders (1).dat"
    shutil.copy(FILES / file, renamed)

    def read(path):
        try:
            return read_orders(path).to_dict()
        except InvalidRequest as error:
            return str(error).replace(str(path), "")

    assert read(renamed) == read(FILES / file)
