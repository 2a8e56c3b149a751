"""`kakaclo orders tracking`: a shop is told each number once, whatever happens to the runs that tell it."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter

import pytest
from support.postgresql import needs_postgresql, running_server
from support.shop_files import FILES, M
from support.terminal import Hosted

HOURS = 3600
HEADER = "custom_order_id,sku,quantity,country,recipient,phone,province,city,street1,zip"
ADDRESS = "US,Nobody Shall-See,555 0100 999,Florida,Orlando,1 Secret St,32801"


@pytest.fixture
def hosted():
    hosted = Hosted(products=300, ship_after=6.0 * HOURS)
    yield hosted
    hosted.close()


@pytest.fixture
def place(kakaclo, tmp_path):
    """Place orders of the shop's: custom order id to pieces by SKU."""

    def submit(orders, *options):
        path = tmp_path / "orders.csv"
        rows = [
            f"{number},{sku},{n},{ADDRESS}" for number, items in orders.items() for sku, n in items.items()
        ]
        path.write_text("\n".join([HEADER, *rows]) + "\n")
        outcome = kakaclo("orders", "submit", path, *options)
        assert outcome.code == 0, outcome.err
        return path

    return submit


@pytest.fixture
def track(kakaclo):
    """Run `orders tracking`; for whom is matrixify unless it is said."""

    def run(*arguments):
        target = () if "--for" in arguments else ("--for", "matrixify")
        return kakaclo("orders", "tracking", *target, *arguments)

    return run


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".txt" else ","))


def told(path):
    """What a file for Matrixify tells: order, SKU, pieces, and how many numbers."""
    return [
        (
            row["Name"],
            row["Line: SKU"],
            row["Line: Quantity"],
            len(row["Fulfillment: Tracking Number"].split(", ")),
        )
        for row in rows_of(path)
    ]


def test_a_family_is_told_package_by_package_each_once(place, track, hosted, two_countries, tmp_path):
    cn, us = two_countries
    place({"#1001": {cn: 1, us: 2}, "#1002": {us: 1}})
    waiting = track("--json")
    hosted.skip(7 * HOURS)
    first = track()
    hosted.skip(HOURS)
    nothing = track()
    hosted.skip(6 * HOURS)
    second = track("--json")
    last = track()

    assert [run.code for run in (waiting, first, nothing, second, last)] == [0] * 5
    for run in (waiting, nothing, last):
        assert "nothing new to tell of orders that changed since" in run.err
    assert json.loads(waiting.out)["file"] is None
    early = told(tmp_path / "Orders_tracking.csv")
    late = told(tmp_path / "Orders_tracking.2.csv")
    assert [order for order, *_ in early] == ["#1001", "#1002"]
    assert early[1] == ("#1002", us, "1", 1)
    assert sorted([early[0], *late]) == sorted([("#1001", cn, "1", 1), ("#1001", us, "2", 1)])
    assert json.loads(second.out)["file"] == str(tmp_path / "Orders_tracking.2.csv")
    assert sorted(path.name for path in tmp_path.glob("*tracking*")) == [
        "Orders_tracking.2.csv",
        "Orders_tracking.csv",
    ]


def test_each_kind_of_file_has_a_memory_of_its_own_and_again_tells_all_once_more(
    place, track, hosted, sku, tmp_path
):
    place({"#1001": {sku: 1}})
    hosted.skip(7 * HOURS)

    for target, name in (("csv", "tracking"), ("woo-ast", "woo_tracking")):
        for path in (f"{name}.csv", None, f"{name}.2.csv"):
            outcome = track("--for", target, *(["--again"] if path == f"{name}.2.csv" else []))
            assert outcome.code == 0
            assert ("no file is written" in outcome.err) is (path is None)
        assert rows_of(tmp_path / f"{name}.csv") == rows_of(tmp_path / f"{name}.2.csv")
    assert rows_of(tmp_path / "woo_tracking.csv")[0]["order_id"] == "1001"
    assert not (tmp_path / "tracking.3.csv").exists()


def test_a_file_that_is_there_stays_as_it_is(place, track, hosted, sku, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "Orders_tracking.csv").write_text("mine")
    place({"#1001": {sku: 1}})
    hosted.skip(7 * HOURS)

    assert track("--out", "out").code == 0

    assert (tmp_path / "out" / "Orders_tracking.csv").read_text() == "mine"
    assert told(tmp_path / "out" / "Orders_tracking.2.csv") == [("#1001", sku, "1", 1)]


def test_standard_output_has_the_file_alone_and_what_it_took_is_told(place, track, hosted, sku):
    place({"#1001": {sku: 1}})
    hosted.skip(7 * HOURS)

    first, second = track("--out", "-"), track("--out", "-")

    assert [row["Name"] for row in csv.DictReader(first.out.splitlines())] == ["#1001"]
    assert "rows" in first.err
    assert (second.code, second.out) == (0, "")
    assert "nothing new" in second.err


def test_the_shops_orders_give_its_own_skus_names_and_item_numbers(kakaclo, track, hosted, tmp_path):
    for name in ("shopify_status.csv", "amazon_unshipped.txt"):
        shutil.copy(FILES / name, tmp_path)
    own = ("--map", FILES / "own_sku.map.csv")
    assert kakaclo("orders", "submit", "shopify_status.csv", *own, "--prefix", "EU-").code in {0, 1}
    assert kakaclo("orders", "submit", "amazon_unshipped.txt").code in {0, 1}
    hosted.skip(14 * HOURS)

    shopify = track("--orders", FILES / "shopify_status.csv", *own, "--prefix", "EU-")
    amazon = track("--for", "amazon", "--orders", FILES / "amazon_unshipped.txt")

    assert (shopify.code, amazon.code) == (0, 0), (shopify.err, amazon.err)
    with (FILES / "shopify_status.csv").open(newline="", encoding="utf-8") as file:
        sold = {(row["Name"], row["Lineitem sku"]) for row in csv.DictReader(file)}
    rows = told(tmp_path / "Orders_tracking.csv")
    assert {order for order, *_ in rows} == {"#1001", "#1006"}
    assert {(order, name) for order, name, *_ in rows} <= sold
    with (FILES / "amazon_unshipped.txt").open(newline="", encoding="cp1252") as file:
        items = {row["order-item-id"]: row for row in csv.DictReader(file, delimiter="\t")}
    confirmed = rows_of(tmp_path / "amazon_tracking.txt")
    assert len(confirmed) == 4
    for row in confirmed:
        assert items[row["order-item-id"]]["order-id"] == row["order-id"]
        assert items[row["order-item-id"]].get("quantity-to-ship") == row["quantity"]


def test_a_file_that_was_exported_when_the_shop_had_been_told_of_a_part_still_fits(
    place, track, hosted, two_countries, tmp_path, kakaclo
):
    cn, us = two_countries
    header = (
        "Name,Financial Status,Fulfillment Status,Cancelled at,Lineitem quantity,Lineitem name,Lineitem sku"
    )
    header += ",Lineitem requires shipping,Lineitem fulfillment status,Shipping Name,Shipping Street"
    header += (
        ",Shipping Address1,Shipping City,Shipping Zip,Shipping Province,Shipping Country,Shipping Phone"
    )
    address = "Nobody Shall-See,1 Secret St,1 Secret St,Orlando,32801,FL,US,+15550100"

    def export(first):
        (tmp_path / "export.csv").write_text(
            f"{header}\n#1001,paid,,,1,Tee,{cn},true,{first},{address}\n#1001,,,,2,Tee,{us},true,pending,,,,,,,,\n"
        )

    export("pending")
    assert kakaclo("orders", "submit", "export.csv").code == 0
    hosted.skip(7 * HOURS)
    assert track("--orders", "export.csv").code == 0
    export("fulfilled")
    hosted.skip(7 * HOURS)
    second = track("--orders", "export.csv")

    assert second.code == 0, second.err
    rows = told(tmp_path / "Orders_tracking.csv") + told(tmp_path / "Orders_tracking.2.csv")
    assert sorted(rows) == sorted([("#1001", cn, "1", 1), ("#1001", us, "2", 1)])


def test_other_names_for_what_was_told_do_not_tell_it_again(place, track, hosted, tmp_path):
    place({"#1001": {M: 2}})
    hosted.skip(7 * HOURS)
    assert track().code == 0
    (tmp_path / "map.csv").write_text(f"shop_sku,sku,pieces\nTEE,{M},1\n")

    renamed = track("--map", "map.csv")

    assert (renamed.code, len(list(tmp_path.glob("Orders_tracking*")))) == (0, 1)
    assert (
        "told before, by other SKUs or item numbers, and not again without --again: orders #1001"
        in renamed.err
    )
    assert track("--map", "map.csv", "--again").code == 0
    assert told(tmp_path / "Orders_tracking.2.csv") == [("#1001", "TEE", "2", 1)]


def test_what_cannot_be_told_is_a_problem_until_it_can(place, track, hosted, tmp_path):
    place({"#1001": {M: 2}})
    (tmp_path / "map.csv").write_text(f"shop_sku,sku,pieces\nTEE,{M},1\nPAIR,{M},2\n")
    hosted.skip(7 * HOURS)

    unclear = track("--map", "map.csv")
    again = track("--map", "map.csv")
    orders = (tmp_path / "orders.csv").read_text().replace(M, "PAIR").replace(",2,", ",1,")
    (tmp_path / "shop.csv").write_text(orders)
    mended = track("--map", "map.csv", "--orders", "shop.csv")

    for run in (unclear, again):
        assert run.code == 1
        assert "order #1001: its SKUs may stand for several of the shop's" in run.err
    assert mended.code == 0, mended.err
    assert told(tmp_path / "Orders_tracking.csv") == [("#1001", "PAIR", "1", 1)]


def test_orders_that_are_not_in_the_shops_file_are_counted_and_told_later(
    place, track, hosted, sku, tmp_path
):
    place({"#1001": {sku: 1}, "#1002": {sku: 1}})
    place({"#1002": {sku: 1}})
    hosted.skip(7 * HOURS)

    some, others = track("--orders", "orders.csv"), track()

    assert (some.code, others.code) == (0, 0)
    assert "note: 1 orders are under way and not in the file of orders" in some.err
    assert [order for order, *_ in told(tmp_path / "Orders_tracking.csv")] == ["#1002"]
    assert [order for order, *_ in told(tmp_path / "Orders_tracking.2.csv")] == ["#1001"]


def test_a_journal_that_knows_nothing_yet_is_made_for_what_is_told(place, track, hosted, sku, tmp_path):
    place({"#1001": {sku: 1}}, "--journal", tmp_path / "elsewhere.db")

    early = track("--journal", "new.db")
    assert not (tmp_path / "new.db").exists()
    hosted.skip(7 * HOURS)
    first, second = track("--journal", "new.db"), track("--journal", "new.db")

    assert (early.code, first.code, second.code) == (0, 0, 0)
    assert f"new journal in {tmp_path / 'new.db'}: it does not know what a shop was told before" in first.err
    assert "new journal" not in second.err
    assert [path.name for path in tmp_path.glob("Orders_tracking*")] == ["Orders_tracking.csv"]


def test_one_request_tells_250_orders(track, place, hosted, sku):
    place({f"#{number}": {sku: 1} for number in range(1, 4)})
    hosted.call(hosted.sandbox.log.clear)

    track()

    asked = hosted.call(lambda: [served.query for served in hosted.sandbox.log])
    assert [query["pageSize"] for query in asked] == ["250"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--for", "ebay"), "--for must be one of matrixify, amazon, woo-ast, csv, not 'ebay'"),
        (("--for", "amazon"), "which only its own file of orders has: give that file (--orders)"),
        (
            ("--for", "amazon", "--orders", FILES / "shopify_status.csv"),
            "the file of orders (--orders) is of the kind 'shopify'",
        ),
        (("--out", "tracking.csv"), "must have 'Orders' in its name"),
        (("--out", "nowhere/Orders.csv"), "its folder is not there"),
        (("--for", "csv", "--out", "/dev/null"), "is there, and no file"),
        (("--out", "-", "--json"), "--json tells about a file"),
        (("--since", "yesterday"), "--since 'yesterday' is not an ISO 8601 time"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_kakaclo_is_asked(track, hosted, arguments, sentence):
    outcome = track(*arguments)

    assert outcome.code == 2
    assert sentence in outcome.err
    assert hosted.call(hosted.sandbox.requests.total) == 0


@pytest.fixture(scope="module")
def server():
    with running_server() as url:
        yield url


@needs_postgresql()
@pytest.mark.process
def test_a_journal_in_postgresql_remembers_as_well(place, track, hosted, two_countries, server, tmp_path):
    options = ("--journal", f"{server}/postgres")
    cn, us = two_countries
    place({"#1001": {cn: 1, us: 1}}, *options)
    hosted.skip(7 * HOURS)
    assert track(*options).code == 0
    hosted.skip(7 * HOURS)

    assert [track(*options).code for _ in range(2)] == [0, 0]

    files = sorted(tmp_path.glob("Orders_tracking*"))
    assert len(files) == 2
    assert Counter(name for path in files for _, name, *_ in told(path)) == {cn: 1, us: 1}
