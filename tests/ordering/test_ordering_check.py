"""Preflight: everything that KakaClo could decline, at once and by field."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import attrs
import pytest
from support.shop import ADDRESS

from kakaclo_async import InvalidRequest, Item, NewOrder, Rejected
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped

FIELDS = attrs.asdict(ADDRESS)


def fields(check):
    return [problem.field for problem in check.problems]


async def test_an_order_that_can_be_placed_has_a_price_and_no_problem(kk, sandbox, order):
    check = await kk.orders.check(order())

    assert check.ok
    created = await kk.orders.create(order())
    assert check.total == sandbox.journal[0].paid
    assert check.freight == check.quote.by_channel("Standard").estimated_freight
    assert check.balance == Decimal(10**9)
    assert created


async def test_a_check_costs_four_requests_and_ten_at_once_share_them(kk, sandbox, order):
    await kk.orders.check(order())
    assert sandbox.requests.total() == 4

    await asyncio.gather(*(kk.orders.check(order(str(number))) for number in range(10)))

    assert sandbox.requests["/v1/product/products"] <= 3
    assert sandbox.requests["/v1/product/stocks"] <= 3
    assert sandbox.requests["/v2/order/orders/channel/automationSplit"] <= 2


async def test_an_unknown_sku_is_named_and_its_missing_freight_is_not(kk, order):
    check = await kk.orders.check(order("A", Item("NOSUCH", 1)))

    assert [str(problem) for problem in check.problems if problem.field != "balance"] == [
        "items[0].sku: KakaClo has no SKU 'NOSUCH'"
    ]
    assert (check.sub_total, check.freight, check.total) == (None, None, None)


async def test_a_sku_off_the_shelf_and_one_short_of_stock_are_both_named(kk, sandbox, order):
    sandbox.index_lag = 0
    off, short = list(sandbox.catalog.selling(pieces=5))[:2]
    sandbox.catalog.set_status(off, 3)
    sandbox.skip(400)
    have = sandbox.catalog.qty(short)

    check = await kk.orders.check(order("A", Item(off, 1), Item(short, have), Item(short, 1)))

    assert fields(check)[:2] == ["items[0].sku", "items[1].quantity"]
    assert "not on sale: discontinued" in check.problems[0].text
    assert f"{have + 1} of SKU '{short}' are wanted, {have} in stock (" in check.problems[1].text


async def test_a_sku_without_stock_says_so(kk, sandbox, order):
    sku = order().items[0].sku
    for code, warehouse, _ in list(sandbox.catalog.stock_rows()):
        if code == sku:
            sandbox.catalog.set_stock(sku, warehouse, 0)
    sandbox.skip(400)

    check = await kk.orders.check(order())

    assert [problem.text for problem in check.problems] == [f"1 of SKU '{sku}' are wanted, none is in stock"]


async def test_a_country_that_nothing_goes_to_is_a_problem_of_the_address(kk, order):
    check = await kk.orders.check(order(address=attrs.evolve(ADDRESS, country="AQ")))

    assert fields(check) == ["address.country"]
    assert "nothing is shipped to country 'AQ'" in check.problems[0].text


async def test_a_channel_type_that_is_not_offered_is_named_with_those_that_are(kk, order):
    check = await kk.orders.check(order(channel_type="Teleport"))

    assert [str(problem) for problem in check.problems] == [
        "channel_type: Teleport is not offered; choose one of Expedited, Express, Standard"
    ]


async def test_freight_in_the_older_shape_is_no_problem_and_no_price(kk, sandbox, order):
    sandbox.old_freight_shape = True

    check = await kk.orders.check(order())

    assert check.ok
    assert (check.freight, check.total) == (None, None)


async def test_a_balance_that_does_not_suffice_is_named(kk, sandbox, order):
    sandbox.ledger._balance = Decimal("1.50")

    check = await kk.orders.check(order())

    assert [str(problem) for problem in check.problems] == [f"balance: 1.50 USD do not pay {check.total}"]
    with pytest.raises(Rejected):
        await kk.orders.create(order())


async def test_plain_data_with_many_faults_has_them_all_named_and_costs_no_request(kk, sandbox):
    check = await kk.orders.check(
        {
            "address": FIELDS
            | {"country": "Florida", "phone": "5" * 65, "recipient": " ", "planet": "Earth"},
            "items": [{"sku": "", "quantity": 0}, {"sku": "A"}, "B"],
            "chanel_type": "Standard",
            "remark": 7,
        }
    )

    assert sorted(fields(check)) == [
        "address.country",
        "address.phone",
        "address.planet",
        "address.recipient",
        "chanel_type",
        "items[0].quantity",
        "items[0].sku",
        "items[1].quantity",
        "items[2]",
        "remark",
    ]
    assert sandbox.requests.total() == 0
    assert "555555" not in repr(check)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({}, ["address", "items"]),
        (
            {"address": {}, "items": []},
            ["address.country", "address.phone", "address.province", "address.recipient", "items"],
        ),
    ],
)
async def test_an_empty_document_lacks_everything(kk, document, found):
    assert sorted(fields(await kk.orders.check(document))) == found


async def test_good_plain_data_is_checked_like_an_order(kk, order):
    item = order().items[0]
    document = {"address": FIELDS, "items": [attrs.asdict(item)], "channel_type": "Express"}

    check = await kk.orders.check(document)

    assert check == await kk.orders.check(NewOrder(address=ADDRESS, items=[item], channel_type="Express"))


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("phone", "1.55501E+11", "a spreadsheet cut it"),
        ("phone", "-", "it is no phone number"),
        ("recipient", "N*** S***", "it is masked"),
        ("city", "MontrÃ©al", "encoded twice"),
        ("zip", "SW1A 1AA", "no postal code of US: it looks like one of GB"),
        ("zip", None, "US has them"),
        ("street1", None, "there is no street"),
        ("city", None, "there is no city"),
        ("country", "UK", "there is no country 'UK': write GB"),
    ],
)
async def test_an_address_that_nobody_can_deliver_to_is_told_and_not_refused(
    kk, sandbox, order, field, value, text
):
    placed = order(address=attrs.evolve(ADDRESS, **{field: value}))

    check = await kk.orders.check(placed)

    assert fields(check) == [f"address.{field}"]
    assert text in check.problems[0].text
    assert check.problems == placed.address.problems
    if field == "country":  # KakaClo itself declines it
        return
    assert await kk.orders.create(placed)
    assert not any(part in str(check.problems) for part in FIELDS.values() if part not in {None, "US"})


async def test_plain_data_that_breaks_a_limit_has_the_rest_of_its_address_told(kk, sandbox):
    address = FIELDS | {"recipient": "N" * 33, "zip": "SW1A 1AA", "city": "T***", "country": "us"}

    check = await kk.orders.check({"address": address, "items": [{"sku": "A", "quantity": 1}]})

    assert sorted(fields(check)) == ["address.city", "address.recipient", "address.zip"]
    assert sandbox.requests.total() == 0


async def test_other_problems_of_an_address_do_not_hide_that_nothing_goes_there(kk, order):
    check = await kk.orders.check(order(address=attrs.evolve(ADDRESS, country="AQ", phone="-")))

    assert fields(check) == ["address.phone", "address.country"]


async def test_a_country_to_which_nothing_is_offered_is_a_problem_of_the_address(kk, sandbox, order):
    sandbox.no_freight_to = ("US",)

    [problem] = (await kk.orders.check(order())).problems

    assert problem.field == "address.country"
    assert "nothing ships SKU" in problem.text


async def test_a_failure_of_one_request_is_the_failure_of_the_check(kk, sandbox, order):
    sandbox.faults.add(Fault("rejected", path="/v1/product/stocks"))

    with pytest.raises(Rejected, match="/v1/product/stocks"):
        await kk.orders.check(order())


@pytest.mark.parametrize("written", ["us", " US ", "Us"])
async def test_what_a_check_takes_an_order_is_placed_with(kk, sandbox, order, written):
    """One spelling for all: quotes, checks, previews and the order itself."""
    placed = order(address=attrs.evolve(ADDRESS, country=written), channel_type=" standard")

    check = await kk.orders.check(placed)
    quote = await kk.freight.quote(placed.items, written)
    await kk.orders.create(placed)

    assert check.ok
    assert quote == check.quote
    assert sandbox.requests["/v2/order/orders/channel/automationSplit"] == 1
    assert sandbox.journal[0].paid == check.total
    [made] = sandbox.ledger.orders.values()
    assert made.address["country"] == "US"


async def test_a_country_that_is_no_code_is_refused_by_every_call(kk, sandbox):
    items = [Item("A", 1)]
    for call in (
        lambda: kk.freight.quote(items, "USA"),
        lambda: kk.freight.channels(items, "USA"),
        lambda: kk.freight.matrix([items], ["US", "USA"]),
    ):
        with pytest.raises(InvalidRequest, match="two-letter code.*: write 'US'"):
            await call()
    check = await kk.orders.check(
        {"address": FIELDS | {"country": "USA"}, "items": [{"sku": "A", "quantity": 1}]}
    )
    assert fields(check) == ["address.country"]
    assert sandbox.requests.total() == 0
