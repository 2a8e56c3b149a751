from __future__ import annotations

import json
import os
import signal
import threading
from decimal import Decimal

import pytest

from kakaclo_async.sandbox import Fault

PHONE, RECIPIENT = "555-0100-999", "Jane Q. Public"
ADDRESS = ("--country", "US", "--recipient", RECIPIENT, "--phone", PHONE, "--province", "California")
LAG = 400  # virtual seconds after which the search index has caught up


@pytest.fixture
def placed(kakaclo, hosted, two_countries):
    """An order of three pieces from each country, visible to queries."""
    cn, us = two_countries
    items = ("--sku", f"{cn}:3", "--sku", f"{us}:3")
    outcome = kakaclo("orders", "create", *items, *ADDRESS, "--custom-id", "shop-17", "--yes", "--json")
    assert outcome.code == 0
    hosted.skip(LAG)
    return json.loads(outcome.out)["id"]


def test_an_order_from_options_is_placed_with_all_of_them(kakaclo, sandbox, sku):
    outcome = kakaclo(
        *(
            "orders",
            "create",
            "--sku",
            f"{sku}:2",
            *ADDRESS,
            "--city",
            "LA",
            "--street1",
            "1 A St",
            "--street2",
            "B",
        ),
        *("--zip", "90001", "--ioss", "I1", "--vat", "V1", "--channel", "Express", "--custom-id", "shop-1"),
        *("--remark", "gift", "--platform", "Shopify", "--yes", "--json"),
    )
    assert outcome.code == 0
    [order] = sandbox.ledger.orders.values()
    assert order.address == {
        "country": "US", "recipient": RECIPIENT, "phone": PHONE, "province": "California", "city": "LA",
        "street1": "1 A St", "street2": "B", "zip": "90001", "ioss": "I1", "vat": "V1",
    }  # fmt: skip
    assert (order.custom_order_id, order.remark) == ("shop-1", "gift")
    assert [(item.sku, item.quantity) for item in order.items] == [(sku, 2)]
    answer = json.loads(outcome.out)
    assert (answer["id"], answer["custom_order_id"]) == (order.number, "shop-1")
    assert Decimal(answer["estimated_freight"]) > 0


def test_an_order_without_a_custom_id_gets_one_that_is_shown(kakaclo, sandbox, sku):
    outcome = kakaclo("orders", "create", "--sku", sku, *ADDRESS, "--yes")
    assert outcome.code == 0
    [order] = sandbox.ledger.orders.values()
    assert order.custom_order_id in outcome.out
    assert order.number in outcome.out


def test_an_order_from_a_file_is_placed(kakaclo, sandbox, sku, tmp_path):
    file = tmp_path / "order.json"
    address = {"country": "FR", "recipient": RECIPIENT, "phone": PHONE, "province": "Paris", "zip": None}
    file.write_text(json.dumps({"address": address, "items": [{"sku": sku, "quantity": 1}], "remark": "é"}))
    assert kakaclo("orders", "create", "--file", file, "--yes").code == 0
    [order] = sandbox.ledger.orders.values()
    assert (order.address["country"], order.remark) == ("FR", "é")


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("[]", "must hold one order, as a JSON object"),
        ("{", "is not JSON"),
        ('{"items": []}', "address: "),
        ('{"address": {}, "items": [], "chanel": "Express"}', "chanel: "),
        ('{"address": {}, "items": []}', "address.country: "),
        ('{"address": [], "items": []}', "address: "),
        ('{"address": ADDRESS, "items": {}}', "items: "),
        ('{"address": ADDRESS, "items": []}', "items: "),
        ('{"address": ADDRESS, "items": [{"sku": "X", "qty": 1}]}', "items[0].qty: "),
        (
            '{"address": ADDRESS, "items": [{"sku": "X", "quantity": 0}]}',
            "items[0].quantity: it must be above 0",
        ),
        (
            '{"address": ADDRESS, "items": [{"sku": "X", "quantity": "1"}]}',
            "items[0].quantity: it must be a whole number above 0, not a text",
        ),
    ],
)
def test_a_file_that_is_no_order_is_refused_in_a_sentence(kakaclo, sandbox, tmp_path, document, complaint):
    address = {"country": "US", "recipient": RECIPIENT, "phone": PHONE, "province": "California"}
    file = tmp_path / "order.json"
    file.write_text(document.replace("ADDRESS", json.dumps(address)))
    outcome = kakaclo("orders", "create", "--file", file, "--yes")
    assert outcome.code == 2
    assert complaint in outcome.err
    assert PHONE not in outcome.err
    assert sandbox.requests.total() == 0


def test_a_file_that_is_not_there_is_refused(kakaclo):
    outcome = kakaclo("orders", "create", "--file", "nowhere.json", "--yes")
    assert (outcome.code, outcome.err) == (
        2,
        "error: nowhere.json cannot be read: No such file or directory\n",
    )


def test_a_file_that_is_no_text_is_refused(kakaclo, tmp_path):
    (tmp_path / "order.json").write_bytes(b"\xff\xfe\x00")
    assert kakaclo("orders", "create", "--file", "order.json", "--yes").code == 2


def test_a_file_and_options_do_not_mix(kakaclo, tmp_path):
    (tmp_path / "order.json").write_text("{}")
    outcome = kakaclo("orders", "create", "--file", "order.json", "--country", "US", "--yes")
    assert outcome.code == 2
    assert "whole order" in outcome.err


def test_every_missing_part_of_the_address_is_named(kakaclo, sku):
    outcome = kakaclo("orders", "create", "--sku", sku, "--country", "US", "--yes")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    fields = [problem.partition(": ")[0] for problem in outcome.err.removeprefix("error: ").split("; ")]
    assert fields == ["address.phone", "address.recipient", "address.province"]


def test_an_order_of_nothing_is_refused(kakaclo):
    assert kakaclo("orders", "create", *ADDRESS, "--yes").code == 2


@pytest.mark.parametrize("kind", ["reset_after", "server_error", "truncated_json"])
def test_an_order_in_doubt_is_sent_once_and_exits_with_7(kakaclo, sandbox, sku, kind):
    sandbox.faults.add(Fault(kind, path="/v2/order/orders", method="POST"))
    outcome = kakaclo("orders", "create", "--sku", sku, *ADDRESS, "--custom-id", "shop-2", "--yes")
    assert outcome.code == 7
    assert "shop-2" in outcome.err
    assert outcome.err.count("error: ") == 1
    assert PHONE not in outcome.err
    assert len(sandbox.journal) == 1


def test_ctrl_c_while_the_order_is_sent_is_in_doubt(kakaclo, sandbox, sku):
    sandbox.faults.add(Fault("silence", path="/v2/order/orders", method="POST"))
    interrupt_after(sandbox, "/v2/order/orders")
    outcome = kakaclo("orders", "create", "--sku", sku, *ADDRESS, "--custom-id", "shop-3", "--yes")
    assert outcome.code == 7
    assert "look for the custom order id 'shop-3'" in outcome.err


def interrupt_after(sandbox, path):
    def watch():
        while not sandbox.requests[path]:
            threading.Event().wait(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def test_an_order_that_kakaclo_refuses_exits_with_5(kakaclo, sandbox, sku):
    outcome = kakaclo("orders", "create", "--sku", f"{sku}:100000", *ADDRESS, "--yes")
    assert outcome.code == 5
    assert sandbox.journal == []


def test_an_order_is_shown_with_the_country_of_each_item(kakaclo, placed, two_countries):
    outcome = kakaclo("orders", "show", placed)
    assert outcome.code == 0
    assert placed in outcome.out
    lines = [line.split() for line in outcome.out.splitlines()]
    origins = {line[1]: line[2] for line in lines if len(line) > 2 and line[1] in two_countries}
    assert [origins[sku] for sku in two_countries] == ["CN", "US"]
    assert PHONE not in outcome.out


def test_an_order_as_json_is_whole(kakaclo, placed):
    [order] = json.loads(kakaclo("orders", "show", placed, "--json").out)
    assert (order["id"], order["custom_order_id"], order["status"]) == (placed, "shop-17", "processing")
    assert order["shipping_address"]["phone"] == PHONE
    parts = Decimal(order["sub_total_amount"]) + Decimal(order["freight_amount"])
    assert Decimal(order["final_amount"]) == parts


def test_a_shipped_order_shows_its_packages(kakaclo, hosted, placed):
    hosted.skip(13 * 3600)
    outcome = kakaclo("orders", "show", placed)
    [parcel, *_] = hosted.call(lambda: hosted.sandbox.ledger.orders[placed].parcels)
    assert parcel.tracking in outcome.out


def test_orders_are_listed_the_newest_first_and_sorted_out_by_status_and_time(kakaclo, hosted, placed, sku):
    assert kakaclo("orders", "create", "--sku", sku, *ADDRESS, "--custom-id", "shop-18", "--yes").code == 0
    hosted.skip(LAG)

    outcome = kakaclo("orders", "list")
    names = [line.split()[1] for line in outcome.out.splitlines()[1:]]
    assert outcome.code == 0
    assert names == ["shop-18", "shop-17"]
    assert PHONE not in outcome.out
    assert RECIPIENT not in outcome.out

    def listed(*options):
        return [
            row["custom_order_id"] for row in json.loads(kakaclo("orders", "list", *options, "--json").out)
        ]

    assert listed("--status", "processing") == names
    assert listed("--status", "cancel") == []
    assert listed("--since", "2099-01-01T00:00:00Z") == []
    assert listed("--updated", "2001-01-01T00:00:00Z") == names


def test_a_status_that_is_none_is_refused_before_a_request(kakaclo, sandbox):
    outcome = kakaclo("orders", "list", "--status", "shiped")
    assert outcome.code == 2
    assert "--status 'shiped' is none of " in outcome.err
    assert sandbox.requests.total() == 0


def test_orders_are_found_by_a_custom_id(kakaclo, placed):
    [order] = json.loads(kakaclo("orders", "show", "--custom-id", "shop-17", "--json").out)
    assert order["id"] == placed


def test_unknown_orders_are_not_found_and_hide_no_other(kakaclo, placed):
    outcome = kakaclo("orders", "show", "17", placed, "17", "--json")
    assert outcome.code == 3
    assert [order["id"] for order in json.loads(outcome.out)] == [placed]
    assert outcome.err == (
        "error: no order has the number '17' (we assume that a new one shows up within 5 minutes);"
        " if it is your own number: kakaclo orders show --custom-id 17\n"
    )


@pytest.mark.parametrize("words", [("show",), ("refund",), ("refund", "--sku", "A:1")], ids=" ".join)
def test_a_number_of_the_shops_own_is_told_from_one_of_kakaclos(kakaclo, placed, words):
    outcome = kakaclo("orders", words[0], "shop-17", *words[1:])
    assert outcome.code in {3, 5}
    command, arguments = outcome.err.strip().rpartition("if it is your own number: kakaclo ")[1:]
    assert command
    assert kakaclo(*arguments.split(), "--json").out == kakaclo("orders", "show", placed, "--json").out


def test_an_unknown_custom_id_is_not_found(kakaclo):
    outcome = kakaclo("orders", "show", "--custom-id", "none", "--since", "2024-01-01T00:00:00Z")
    assert outcome.code == 3
    assert "2024-01-01T00:00:00Z" in outcome.err


@pytest.mark.parametrize("arguments", [(), ("1", "--custom-id", "x")])
def test_showing_takes_either_numbers_or_a_custom_id(kakaclo, arguments):
    assert kakaclo("orders", "show", *arguments).code == 2


def test_a_part_of_an_order_is_refunded(kakaclo, hosted, placed, two_countries):
    outcome = kakaclo(
        *("orders", "refund", placed, "--sku", f"{two_countries[1]}:2", "--reason", "Out Of Stock"),
        *("--remark", "sorry", "--json"),
    )
    assert outcome.code == 0
    [refund] = hosted.call(lambda: list(hosted.sandbox.ledger.refunds.values()))
    assert json.loads(outcome.out) == {"refund_no": refund.number, "order_id": placed, "refund_status": None}
    assert (refund.reason, refund.remark) == ("Out Of Stock", "sorry")
    assert list(refund.pieces.values()) == [2]


def test_a_whole_order_is_refunded(kakaclo, hosted, placed):
    outcome = kakaclo("orders", "refund", placed)
    assert outcome.code == 0
    assert "requested" in outcome.out
    [refund] = hosted.call(lambda: list(hosted.sandbox.ledger.refunds.values()))
    assert sum(refund.pieces.values()) == 6


@pytest.mark.parametrize(("granted", "code"), [(True, 0), (False, 5)])
def test_waiting_shows_how_a_refund_ended(kakaclo, hosted, placed, granted, code):
    settle_soon(hosted, granted=granted)
    outcome = kakaclo("orders", "refund", placed, "--wait", 30, "--json")
    assert outcome.code == code
    status = "refund_successfully" if granted else "refund_failed"
    assert json.loads(outcome.out)["refund_status"] == status


def settle_soon(hosted, *, granted):
    def settle():
        for number in hosted.sandbox.ledger.refunds:
            hosted.sandbox.ledger.settle(number, granted=granted)

    def watch():
        while not hosted.call(lambda: len(hosted.sandbox.ledger.refunds)):
            threading.Event().wait(0.005)
        hosted.call(settle)

    threading.Thread(target=watch, daemon=True).start()


def test_a_refund_that_takes_too_long_keeps_its_number(kakaclo, placed):
    outcome = kakaclo("orders", "refund", placed, "--wait", 0.1, "--json")
    assert outcome.code == 6
    assert json.loads(outcome.out)["refund_status"] == "pending_review"
    assert json.loads(outcome.out)["refund_no"] in outcome.err


@pytest.mark.parametrize("seconds", ["-1", "nan"])
def test_a_wait_that_cannot_be_is_refused_before_the_refund_is_asked_for(kakaclo, hosted, placed, seconds):
    assert kakaclo("orders", "refund", placed, "--wait", seconds).code == 2
    assert not hosted.sandbox.ledger.refunds


def test_more_than_was_bought_is_not_refunded(kakaclo, placed, two_countries):
    outcome = kakaclo("orders", "refund", placed, "--sku", f"{two_countries[0]}:4")
    assert outcome.code == 2
    assert placed in outcome.err


def test_an_unknown_order_is_not_refunded(kakaclo):
    assert kakaclo("orders", "refund", "17", "--sku", "X:1").code == 3


def test_ctrl_c_while_a_refund_is_sent_is_in_doubt(kakaclo, sandbox, placed):
    path = f"/v2/order/orders/{placed}/refund"
    sandbox.faults.add(Fault("silence", path=path))
    interrupt_after(sandbox, path)
    outcome = kakaclo("orders", "refund", placed)
    assert outcome.code == 7
    assert placed in outcome.err
