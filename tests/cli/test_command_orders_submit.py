"""`kakaclo orders`: many orders from a file, each exactly once."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from support.terminal import TOKEN

from kakaclo_async.cli.command import exit_code
from kakaclo_async.errors import Conflict
from kakaclo_async.sandbox import Fault

ADDRESS = {
    "country": "US",
    "recipient": "Nobody Shall-See",
    "phone": "555 0100 999",
    "province": "Florida",
    "city": "Orlando",
    "street1": "1 Secret St",
    "zip": "32801",
}


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
    [*_, latest] = sorted(
        path.parent.glob(f"{path.stem}.results*.csv"), key=lambda found: (len(found.name), found.name)
    )
    with latest.open(newline="") as lines:
        return {row["custom_order_id"]: row for row in csv.DictReader(lines)}


def placed(hosted):
    return hosted.call(lambda: {entry.custom_order_id: entry.orders[0] for entry in hosted.sandbox.journal})


def named(outcome):
    """The line, the order and the field of each problem."""
    problem = re.compile(r"error: (line \d+), (order '.*?'): (.*?): .+")
    return [problem.fullmatch(line).groups() for line in outcome.err.splitlines()]


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


def test_bad_rows_are_all_named_at_once_with_their_lines_and_nothing_is_sent(kakaclo, hosted, file):
    path = file(
        {"custom_order_id": "A"},
        {"custom_order_id": "B", "quantity": "many", "phone": ""},
        {"custom_order_id": "A", "quantity": 0},
        {"custom_order_id": "C,D"},
        {"custom_order_id": ""},
    )

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 2
    assert named(outcome) == [
        ("line 3", "order 'B'", "items[0].quantity"),
        ("line 3", "order 'B'", "address.phone"),
        ("line 4", "order 'A'", "items[1].quantity"),
        ("line 5", "order 'C,D'", "custom_order_id"),
        ("line 6", "order ''", "custom_order_id"),
    ]
    text, _, zero, comma, missing = outcome.err.splitlines()
    assert "must be above 0" in zero
    assert "a whole number, in digits alone" in text
    assert "holds a comma" in comma
    assert missing.endswith("missing")
    assert hosted.call(hosted.sandbox.requests.total) == 0
    assert not path.with_name("orders.results.csv").exists()


def test_a_row_that_contradicts_its_order_or_was_cut_by_a_comma_is_named_without_the_address(
    kakaclo, hosted, tmp_path
):
    path = tmp_path / "orders.csv"
    rest = "1 Secret St,Orlando,32801"
    path.write_text(
        "custom_order_id,sku,quantity,country,recipient,phone,province,street1,city,zip,remark\n"
        f"A,X,1,US,Nobody Shall-See,555 0100 999,Florida,{rest},\n"
        f"A,Y,1,US,Somebody Else,555 0100 999,,{rest},gift\n"
        "A,Z,1,,,,,,,,\n"
        f"B,X,1,US,Shall-See, Nobody,555 0100 999,Florida,{rest},\n"
    )

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 2
    assert outcome.err.splitlines() == [
        "error: line 3, order 'A': address.recipient: it differs from line 2 of the same order",
        "error: line 3, order 'A': remark: it differs from line 2 of the same order",
        "error: line 5, order 'B': items[0]: its row has more cells than columns",
    ]
    assert hosted.call(hosted.sandbox.requests.total) == 0


def test_bad_lines_of_json_are_all_named_at_once(kakaclo, hosted, tmp_path, file):
    path = file({"custom_order_id": "A"}, name="orders.jsonl")
    path.write_text(path.read_text() + '\n{"a": 555 0100}\n\n[]\n{}\n')

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 2
    assert named(outcome) == [
        ("line 2", "order ''", "column 11"),
        ("line 4", "order ''", "column 1"),
        ("line 5", "order ''", "custom_order_id"),
        ("line 5", "order ''", "address"),
        ("line 5", "order ''", "items"),
    ]
    assert "not JSON: Expecting ',' delimiter" in outcome.err
    assert placed(hosted) == {}


@pytest.mark.process
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_ends_in_the_middle_is_finished_by_the_next_without_doubles(
    kakaclo, hosted, file, sku, tmp_path, journal_file, end
):
    """8 are placed, 8 hang and never arrive, 8 hang and have arrived, and 16 were not sent when it dies."""
    hosted.sandbox.index_lag = 0.0
    post = {"path": "/v2/order/orders", "method": "POST"}
    hosted.call(hosted.sandbox.faults.add, Fault("silence", takes_effect=False, skip=8, times=8, **post))
    hosted.call(hosted.sandbox.faults.add, Fault("silence", skip=8, times=None, **post))
    catalog = hosted.sandbox.catalog
    warehouse = next(warehouse for code, warehouse, _ in catalog.stock_rows() if code == sku)
    hosted.call(catalog.set_stock, sku, warehouse, 100)
    path = file(*ids(40))
    environment = {**os.environ, "KAKACLO_TOKEN": TOKEN, "KAKACLO_BASE_URL": hosted.sandbox.url}
    command = [
        str(Path(sys.executable).with_name("kakaclo")),
        "orders",
        "submit",
        str(path),
        "--yes",
        "--quiet-time",
        "0.2",
    ]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as first:
        while hosted.call(lambda: sum(served.method == "POST" for served in hosted.sandbox.log)) < 24:
            assert first.poll() is None
            time.sleep(0.02)
        first.send_signal(end)
        _, said = first.communicate()
    assert len(placed(hosted)) == 16
    assert {row["result"] for row in results(path).values()} <= {"placed"}
    assert ("of 40 orders; run it again with the same journal" in said) == (end == signal.SIGTERM)
    hosted.call(hosted.sandbox.faults.clear)
    let_claims_run_out(journal_file())

    outcome = kakaclo("orders", "submit", path, "--quiet-time", "0.2")

    assert outcome.code == 0, outcome.err
    assert len(hosted.call(lambda: list(hosted.sandbox.journal))) == 40
    assert {key: row["order_id"] for key, row in results(path).items()} == placed(hosted)
    assert {row["result"] for row in results(path).values()} == {"placed"}
    assert json.loads(kakaclo("orders", "pending", "--json").out) == []


def let_claims_run_out(path):
    """Move a dead worker's claims into the past, which takes a minute by itself."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "UPDATE kakaclo_write SET held_until = held_until - 999, sent_until = sent_until - 999"
        )
        connection.commit()


def test_a_rejected_order_is_listed_with_kakaclos_words(kakaclo, hosted, file):
    path = file({"custom_order_id": "A", "sku": "NOSUCH"}, {"custom_order_id": "B"})

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 1
    assert list(placed(hosted)) == ["B"]
    assert results(path)["A"]["result"] == "rejected"
    assert "NOSUCH" in results(path)["A"]["reason"]


def test_orders_in_doubt_are_settled_by_one_search_after_the_others(kakaclo, hosted, file):
    hosted.sandbox.index_lag = 0.0
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
    hosted.call(add, Fault("rejected", path="/v2/order/orders", method="GET", skip=1, times=None))
    path = file(*ids(1))

    outcome = kakaclo(
        "orders", "submit", path, "--quiet-time", "0.1", "--journal", f"sqlite:///{tmp_path}/j.db"
    )

    assert outcome.code == 7
    assert results(path)["SHOP-0"]["result"] == "unknown"
    listed = kakaclo("orders", "pending", "--journal", f"sqlite:///{tmp_path}/j.db", "--json")
    [entry] = json.loads(listed.out)
    assert (entry["id"], entry["status"], entry["attempts"]) == ("SHOP-0", "unknown", 1)
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
    hosted.call(add, Fault("rejected", path="/v2/order/orders", method="GET", skip=1, times=None))
    assert kakaclo("orders", "submit", file(*ids(1)), "--quiet-time", "0.1").code == 7
    hosted.call(hosted.sandbox.faults.clear)

    listed = kakaclo("orders", "pending", "--settle", "--quiet-time", "0", "--json")

    assert [entry["status"] for entry in json.loads(listed.out)] == ["not executed"]
    assert placed(hosted) == {}
    assert json.loads(kakaclo("orders", "pending", "--finish", "--json").out) == []
    assert list(placed(hosted)) == ["SHOP-0"]


def test_pending_refuses_a_journal_that_is_not_there(kakaclo):
    outcome = kakaclo("orders", "pending")

    assert outcome.code == 2
    assert "there is no journal in" in outcome.err


def test_another_order_under_a_known_id_is_told_as_a_conflict(kakaclo, hosted, file):
    kakaclo("orders", "submit", file({"custom_order_id": "A"}))
    path = file({"custom_order_id": "A", "quantity": 2})

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 1
    assert results(path)["A"]["result"] == "conflict"
    assert "another order under the custom order id 'A': it is placed" in outcome.err
    assert exit_code(Conflict("alone, it is wrong input")) == 2


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

    assert outcome.code == 1
    assert "line 4, order 'C': items[0].sku: KakaClo has no SKU 'NOSUCH'" in outcome.err
    assert "line 5, order '': custom_order_id: missing" in outcome.err
    assert "line 5, order '': address.country: " in outcome.err
    assert "line 6, order 'E': address.country: no freight" in outcome.err
    stock = f"line 3, order 'B': items[0].quantity: the orders up to this one want {have + 1} of SKU '{sku}'"
    assert stock in outcome.err
    assert "USD together, and the balance is 40" in outcome.err
    assert placed(hosted) == {}


def test_a_dry_run_of_bad_orders_alone_asks_for_no_price(kakaclo, hosted, file):
    outcome = kakaclo("orders", "submit", file({"custom_order_id": "A", "phone": ""}), "--dry-run")

    assert outcome.code == 1
    assert "address.phone: " in outcome.err
    assert {served.path for served in hosted.call(lambda: list(hosted.sandbox.log))} == {
        "/v1/payment/balance"
    }


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("orders.txt", "", "it has no header"),
        ("orders.csv", "sku,colour\n", "it"),
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


def test_an_id_that_is_used_twice_is_refused(kakaclo, hosted, file):
    path = file(*ids(1), *ids(1), name="orders.jsonl")

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 2
    assert "line 2, order 'SHOP-0': custom_order_id: line 1 has the same one" in outcome.err
    assert placed(hosted) == {}


def test_results_that_cannot_be_written_stop_it_before_anything_is_sent(kakaclo, hosted, file, tmp_path):
    outcome = kakaclo("orders", "submit", file(*ids(1)), "--results", tmp_path)

    assert outcome.code == 2
    assert "cannot be written" in outcome.err
    assert placed(hosted) == {}


def test_a_bad_token_stops_it_at_once(kakaclo, hosted, file):
    outcome = kakaclo("orders", "submit", file(*ids(30)), "--token", "wrong")

    assert outcome.code == 4
    assert hosted.call(hosted.sandbox.requests.total) <= 16


@pytest.mark.parametrize("earlier", [[], [{"custom_order_id": "EARLIER"}]], ids=["new", "used"])
def test_an_outage_before_a_journal_has_asked_sends_nothing_and_leaves_no_results(
    kakaclo, hosted, file, earlier
):
    if earlier:
        assert kakaclo("orders", "submit", file(*earlier, name="earlier.csv")).code == 0
    hosted.sandbox.close()
    path = file(*ids(2), name="later.csv")
    outcome = kakaclo("orders", "submit", path, "--timeout", "1")
    assert outcome.code == 6
    assert list(path.parent.glob("later.results*")) == []
    hosted.sandbox.start()

    assert kakaclo("orders", "submit", path).code == 0

    assert len(placed(hosted)) == 2 + len(earlier)


def test_no_address_is_shown(kakaclo, hosted, file, tmp_path, journal_file):
    """The file of results has the columns of the orders; what is said in them of its own repeats nothing."""
    said = f"cannot ship to {ADDRESS['recipient']}, {ADDRESS['phone']}"
    for kind in ("rejected", "server_error"):
        fault = Fault(kind, path="/v2/order/orders", method="POST", message=said)
        hosted.call(hosted.sandbox.faults.add, fault)
    hosted.sandbox.index_lag = 0.0

    outcome = kakaclo("orders", "submit", file(*ids(3)), "--quiet-time", "0.1")
    again = kakaclo("orders", "submit", file(*ids(3)), "--json")
    bad = kakaclo(
        "orders", "submit", file({"custom_order_id": "B", "phone": "5" * 99, "country": "Shall-See"})
    )

    assert "cannot ship to [recipient], [phone]" in outcome.err
    assert "address.phone" in bad.err
    written = list(tmp_path.glob("*.results*.csv"))
    assert written
    ours = [line.rsplit(",SHOP-", 1)[1] for path in written for line in path.read_text().splitlines()[1:]]
    for shown in (outcome.out, outcome.err, again.out, again.err, bad.out, bad.err, *ours):
        assert "Shall-See" not in shown
        assert "555" not in shown
    assert {path.stat().st_mode & 0o777 for path in written} == {0o600}
    assert b"Shall-See" not in journal_file().read_bytes()
