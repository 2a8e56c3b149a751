"""`kakaclo orders`: many orders from a file, each exactly once."""

from __future__ import annotations

import csv
import json
from decimal import Decimal

import pytest

from kakaclo_async.sandbox import Fault

ADDRESS = {"country": "US", "recipient": "Nobody Shall-See", "phone": "555 0100 999", "province": "Florida"}


@pytest.fixture
def file(tmp_path, sku):
    """Write a file of orders; a dict for each, by the columns of CSV."""

    def write(*orders, name="orders.csv"):
        rows = [{"sku": sku, "quantity": 1, **ADDRESS, **order} for order in orders]
        path = tmp_path / name
        if name.endswith(".csv"):
            columns = list(dict.fromkeys(column for row in rows for column in row))
            with path.open("w", newline="") as lines:
                writer = csv.DictWriter(lines, columns)
                writer.writeheader()
                writer.writerows(rows)
        else:
            path.write_text("\n".join(json.dumps(document(row)) for row in rows))
        return path

    return write


def document(row):
    return {
        "custom_order_id": row["custom_order_id"],
        "address": {name: row[name] for name in ADDRESS},
        "items": [{"sku": row["sku"], "quantity": row["quantity"]}],
    }


def results(path):
    with path.with_name(f"{path.stem}.results.csv").open(newline="") as lines:
        return {row["custom_order_id"]: row for row in csv.DictReader(lines)}


def placed(hosted):
    return hosted.call(lambda: {entry.custom_order_id: entry.orders[0] for entry in hosted.sandbox.journal})


def ids(count):
    return [{"custom_order_id": f"SHOP-{number}"} for number in range(count)]


@pytest.mark.parametrize("name", ["orders.csv", "orders.jsonl"])
def test_all_orders_of_a_file_are_placed_and_listed(kakaclo, hosted, file, name):
    path = file(*ids(5), name=name)

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 0, outcome.err
    assert {key: row["order_id"] for key, row in results(path).items()} == placed(hosted)
    assert {row["result"] for row in results(path).values()} == {"placed"}
    assert "5 of 5 rows" in outcome.err
    assert "placed" in outcome.out


def test_a_second_run_places_nothing_again(kakaclo, hosted, file):
    path = file(*ids(3))
    kakaclo("orders", "submit", path)
    first = results(path)
    requests = hosted.call(hosted.sandbox.requests.total)

    assert kakaclo("orders", "submit", path).code == 0

    assert results(path) == first
    assert hosted.call(hosted.sandbox.requests.total) == requests


def test_rows_with_one_id_are_one_order(kakaclo, hosted, file, two_countries):
    path = file(*({"custom_order_id": "A", "sku": sku, "quantity": 2} for sku in two_countries))

    assert kakaclo("orders", "submit", path).code == 0

    [order] = hosted.call(lambda: list(hosted.sandbox.ledger.orders.values()))
    assert {item.sku for item in order.items} == set(two_countries)


def test_a_bad_row_is_named_with_all_its_faults_and_the_others_are_placed(kakaclo, hosted, file):
    path = file({"custom_order_id": "A"}, {"custom_order_id": "B", "quantity": "many", "phone": ""})

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 1
    assert list(placed(hosted)) == ["A"]
    assert "order 'B' was not placed: line 3: address.phone" in outcome.err
    assert "line 3: items[0].quantity" in outcome.err


def test_a_declined_order_is_told_with_kakaclos_words(kakaclo, hosted, file):
    path = file({"custom_order_id": "A", "sku": "NOSUCH"}, {"custom_order_id": "B"})

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 1
    assert list(placed(hosted)) == ["B"]
    assert results(path)["A"]["result"] == "declined"
    assert "NOSUCH" in results(path)["A"]["reason"]


def test_orders_in_doubt_are_settled_by_one_search_after_the_others(kakaclo, hosted, file):
    hosted.sandbox.ledger._trail._lag = 0.0
    for kind in ("reset_after", "reset_before", "server_error"):
        hosted.call(hosted.sandbox.faults.add, Fault(kind, path="/v2/order/orders", method="POST"))
    path = file(*ids(6))

    outcome = kakaclo("orders", "submit", path, "--quiet-time", "0.2")

    assert outcome.code == 0, outcome.err
    assert {key: row["order_id"] for key, row in results(path).items()} == placed(hosted)
    assert len(hosted.call(lambda: list(hosted.sandbox.journal))) == 6


def test_what_stays_in_doubt_is_listed_by_pending_and_settled_there(kakaclo, hosted, file, tmp_path):
    add = hosted.sandbox.faults.add
    hosted.call(add, Fault("reset_after", path="/v2/order/orders", method="POST"))
    hosted.call(add, Fault("rejected", path="/v2/order/orders", method="GET", times=None))
    path = file(*ids(1))

    outcome = kakaclo(
        "orders", "submit", path, "--quiet-time", "0.1", "--journal", f"sqlite:///{tmp_path}/j.db"
    )

    assert outcome.code == 7
    assert results(path)["SHOP-0"]["result"] == "in doubt"
    listed = kakaclo("orders", "pending", "--journal", f"sqlite:///{tmp_path}/j.db", "--json")
    [entry] = json.loads(listed.out)
    assert (entry["id"], entry["standing"], entry["attempts"]) == ("SHOP-0", "in doubt", 1)
    assert "connection" in entry["why"]
    hosted.call(hosted.sandbox.faults.clear)
    hosted.skip(400)
    settled = kakaclo("orders", "pending", "--settle", "--journal", f"sqlite:///{tmp_path}/j.db", "--json")
    assert json.loads(settled.out) == []
    again = kakaclo("orders", "submit", path, "--journal", f"sqlite:///{tmp_path}/j.db")
    assert again.code == 0
    assert len(hosted.call(lambda: list(hosted.sandbox.journal))) == 1


def test_what_was_lost_is_listed_and_placed_by_finish(kakaclo, hosted, file):
    add = hosted.sandbox.faults.add
    hosted.call(add, Fault("reset_before", path="/v2/order/orders", method="POST"))
    hosted.call(add, Fault("rejected", path="/v2/order/orders", method="GET", times=None))
    kakaclo("orders", "submit", file(*ids(1)), "--quiet-time", "0.1")
    hosted.call(hosted.sandbox.faults.clear)

    listed = kakaclo("orders", "pending", "--settle", "--quiet-time", "0", "--json")

    assert [entry["standing"] for entry in json.loads(listed.out)] == ["lost"]
    assert placed(hosted) == {}
    assert json.loads(kakaclo("orders", "pending", "--finish", "--json").out) == []
    assert list(placed(hosted)) == ["SHOP-0"]


def test_pending_refuses_a_journal_that_is_not_there(kakaclo):
    outcome = kakaclo("orders", "pending")

    assert outcome.code == 2
    assert "there is no journal in orders.db" in outcome.err


def test_another_order_under_a_known_id_is_told_as_a_conflict(kakaclo, hosted, file):
    kakaclo("orders", "submit", file({"custom_order_id": "A"}))
    path = file({"custom_order_id": "A", "quantity": 2})

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 1
    assert results(path)["A"]["result"] == "conflict"


def test_a_dry_run_prices_every_order_and_places_none(kakaclo, hosted, file):
    path = file(*ids(3))

    outcome = kakaclo("orders", "submit", path, "--dry-run", "--json")

    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert placed(hosted) == {}
    assert not path.with_name("orders.results.csv").exists()
    kakaclo("orders", "submit", path)
    paid = hosted.call(lambda: sum(entry.paid for entry in hosted.sandbox.journal))
    assert Decimal(found["total"]) == paid
    assert kakaclo("orders", "submit", path, "--dry-run").out.count("SHOP-") == 3


def test_a_dry_run_names_every_problem_of_every_order_and_of_all_together(kakaclo, hosted, file, sku):
    have = hosted.call(lambda: hosted.sandbox.catalog.qty(sku))
    hosted.sandbox.ledger._balance = hosted.sandbox.ledger._balance * 0 + 40
    path = file(
        {"custom_order_id": "A", "quantity": have},
        {"custom_order_id": "B", "quantity": 1},
        {"custom_order_id": "C", "sku": "NOSUCH"},
        {"custom_order_id": "", "country": "Florida"},
        {"custom_order_id": "E", "country": "AQ"},
    )

    outcome = kakaclo("orders", "submit", path, "--dry-run")

    assert outcome.code == 2
    assert "line 4, order 'C': items[0].sku: KakaClo has no SKU 'NOSUCH'" in outcome.err
    assert "line 5, order '': custom_order_id: it is missing" in outcome.err
    assert "address.country: country must be a two-letter code" in outcome.err
    assert "line 6, order 'E': address.country: no freight" in outcome.err
    assert f"SKU '{sku}': all orders want {have + 2}, {have} are in stock" in outcome.err
    assert "and the balance is 40" in outcome.err


def test_a_dry_run_of_bad_orders_alone_asks_for_no_price(kakaclo, file):
    outcome = kakaclo("orders", "submit", file({"custom_order_id": "A", "phone": ""}), "--dry-run")

    assert outcome.code == 2
    assert "address.phone: it is missing" in outcome.err


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("orders.txt", "", "is neither .csv nor .jsonl"),
        ("orders.csv", "sku,colour\n", "the column 'colour' is none of custom_order_id,"),
        ("orders.jsonl", "{", "orders.jsonl cannot be read"),
        ("orders.jsonl", "\n[]", "line 2 is no JSON object"),
        ("orders.csv", b"\xff\xfe\x00", "orders.csv cannot be read"),
        ("missing.csv", None, "missing.csv cannot be read: No such file"),
    ],
)
def test_a_file_that_holds_no_orders_is_refused(kakaclo, hosted, tmp_path, name, text, sentence):
    if text is not None:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    outcome = kakaclo("orders", "submit", tmp_path / name)

    assert outcome.code == 2
    assert sentence in outcome.err


def test_an_id_that_stands_twice_is_refused_the_second_time(kakaclo, hosted, file):
    path = file(*ids(1), *ids(1), name="orders.jsonl")

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 1
    assert "line 2: custom_order_id: line 1 has it, too" in outcome.err
    assert len(placed(hosted)) == 1


def test_results_that_cannot_be_written_stop_it_before_anything_is_sent(kakaclo, hosted, file, tmp_path):
    outcome = kakaclo("orders", "submit", file(*ids(1)), "--results", tmp_path)

    assert outcome.code == 2
    assert "cannot be written" in outcome.err
    assert placed(hosted) == {}


def test_a_bad_token_stops_it_at_once(kakaclo, hosted, file):
    outcome = kakaclo("orders", "submit", file(*ids(30)), "--token", "wrong")

    assert outcome.code == 4
    assert hosted.call(hosted.sandbox.requests.total) <= 16


def test_an_outage_leaves_orders_to_the_next_run(kakaclo, hosted, file):
    hosted._wait(hosted.sandbox.aclose())
    path = file(*ids(2))
    outcome = kakaclo("orders", "submit", path, "--timeout", "1")
    assert outcome.code == 1
    assert {row["result"] for row in results(path).values()} == {"not placed"}
    hosted._wait(hosted.sandbox.start())

    assert kakaclo("orders", "submit", path).code == 0

    assert len(placed(hosted)) == 2


def test_no_address_is_shown(kakaclo, hosted, file):
    hosted.call(hosted.sandbox.faults.add, Fault("rejected", path="/v2/order/orders", method="POST"))
    path = file(*ids(2), {"custom_order_id": "B", "phone": "5" * 99})

    outcome = kakaclo("orders", "submit", path)

    shown = outcome.out + outcome.err + path.with_name("orders.results.csv").read_text()
    assert "Shall-See" not in shown
    assert "555" not in shown
