"""What spends money, or has it returned, shows the sum and the balance and asks, where somebody can answer."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest
import typer

from kakaclo_async.cli.app import app
from kakaclo_async.sandbox import Fault

ADDRESS = (
    "--country",
    "US",
    "--recipient",
    "A. Doe",
    "--phone",
    "555 0100",
    "--province",
    "Florida",
    "--zip",
    "32801",
)
TO = {
    "country": "US", "recipient": "A. Doe", "phone": "555 0100", "province": "Florida", "city": "Orlando",
    "street1": "1 Main St", "zip": "32801",
}  # fmt: skip
ORDERS = "/v2/order/orders"


@pytest.fixture
def file(tmp_path, sku):
    """A file with some orders of one piece each."""

    def write(*names, quantity=1):
        head = ["custom_order_id", "sku", "quantity", *TO]
        rows = [[name, sku, str(quantity), *TO.values()] for name in names]
        (tmp_path / "orders.csv").write_text("".join(",".join(row) + "\n" for row in [head, *rows]))
        return "orders.csv"

    return write


@pytest.fixture
def placed(kakaclo, hosted, two_countries):
    """An order of three pieces from each country, which queries show."""
    items = [part for sku in two_countries for part in ("--sku", f"{sku}:3")]
    assert kakaclo("orders", "create", *items, *ADDRESS, "--custom-id", "shop-17").code == 0
    hosted.skip(400)
    [number] = hosted.sandbox.ledger.orders
    return number


@pytest.fixture
def lost(kakaclo, hosted, file, tmp_path):
    """An order that KakaClo did not get, of which the journal does not know that."""
    hosted.sandbox.faults.add(Fault("reset_before", path=ORDERS, method="POST", times=None))
    kakaclo("orders", "submit", file("A"), "--quiet-time", "0.1", "--timeout", "1", "--journal", "j.db")
    hosted.sandbox.faults.clear()
    with closing(sqlite3.connect(tmp_path / "j.db")) as connection:
        connection.execute("UPDATE kakaclo_write SET state = 'lost'")
        connection.commit()
    return ("orders", "pending", "--finish", "--journal", "j.db", "--quiet-time", "0")


def money(shown):
    """The sums that stand before a question."""
    rows = re.findall(r"^([A-Z][a-z ]+?)  +(-?[\d.]+)$", shown, re.MULTILINE)
    return {name: Decimal(number) for name, number in rows}


def asking():
    """The words of each command that takes --yes."""
    pairs = [((), typer.main.get_command(app))]
    while pairs:
        words, command = pairs.pop()
        pairs += [((*words, name), inner) for name, inner in getattr(command, "commands", {}).items()]
        if any("--yes" in option.opts for option in command.params):
            yield words


CALLS = {
    ("orders", "create"): ("--sku", "SKU:2", *ADDRESS),
    ("orders", "submit"): ("orders.csv",),
    ("orders", "refund"): ("17",),
    ("orders", "pending"): ("--finish", "--journal", "j.db"),
}


def test_every_command_that_asks_is_tried_here():
    assert set(asking()) == set(CALLS)


@pytest.mark.parametrize("words", [("orders", "create"), ("orders", "refund")], ids=" ".join)
def test_without_a_terminal_it_needs_a_yes_and_sends_nothing_without(kakaclo, sandbox, words):
    outcome = kakaclo(*words, *CALLS[words], sure=False)
    assert outcome.code == 2
    assert (
        outcome.err == "error: cannot ask for confirmation without a terminal: pass --yes; nothing was sent\n"
    )
    assert sandbox.requests.total() == 0


def test_a_file_is_submitted_without_a_terminal_as_timetables_do(kakaclo, sandbox, file):
    outcome = kakaclo("orders", "submit", file("A"), sure=False)
    assert (outcome.code, "[y/N]" in outcome.err) == (0, False)
    assert len(sandbox.journal) == 1


def test_what_is_lost_is_sent_again_without_a_terminal(kakaclo, hosted, lost):
    outcome = kakaclo(*lost, sure=False)
    assert (outcome.code, "[y/N]" in outcome.err) == (0, False)
    assert len(hosted.sandbox.journal) == 1


def test_the_refund_of_a_part_needs_no_terminal(kakaclo, hosted, placed, two_countries):
    outcome = kakaclo("orders", "refund", placed, "--sku", f"{two_countries[0]}:2", sure=False)
    assert (outcome.code, "[y/N]" in outcome.err) == (0, False)
    assert len(hosted.sandbox.ledger.refunds) == 1


@pytest.mark.parametrize(("typed", "orders"), [("y\n", 1), ("YES\n", 1), ("n\n", 0), ("\n", 0), ("", 0)])
def test_an_order_is_placed_after_a_yes_alone_and_only_then_prints_its_number(
    kakaclo, sandbox, sku, typed, orders
):
    outcome = kakaclo("orders", "create", "--sku", f"{sku}:2", *ADDRESS, "--json", typed=typed)
    assert outcome.code == (0 if orders else 1)
    assert ("nothing was sent" in outcome.err) != bool(orders)
    assert bool(outcome.out) == bool(orders)
    assert len(sandbox.journal) == orders


def test_an_order_shows_what_it_costs_and_what_the_balance_will_be(kakaclo, hosted, sku):
    before = hosted.call(lambda: hosted.sandbox.ledger.balance)
    outcome = kakaclo("orders", "create", "--sku", f"{sku}:2", *ADDRESS, typed="y\n")
    shown = money(outcome.err)
    assert "Expedited" in outcome.err
    assert shown["Items"] + shown["Freight"] == shown["Total"] > 0
    assert shown["Balance"] == before
    assert shown["Left"] == hosted.call(lambda: hosted.sandbox.ledger.balance)
    assert f"Place this order of 2 pieces by Standard for {shown['Total']} USD? [y/N]" in outcome.err


def test_what_stands_against_an_order_is_shown_before_the_question(kakaclo, hosted, sku):
    hosted.call(lambda: setattr(hosted.sandbox.ledger, "balance", Decimal(1)))
    outcome = kakaclo("orders", "create", "--sku", f"{sku}:2", *ADDRESS, typed="n\n")
    assert "look at it: balance: 1 USD do not pay " in outcome.err
    assert outcome.err.index("look at it: ") < outcome.err.index("[y/N]")
    assert money(outcome.err)["Left"] < 0


def test_ctrl_c_at_the_question_places_nothing(kakaclo, sandbox, sku, settings):
    def interrupted():
        os.kill(os.getpid(), signal.SIGINT)

    settings.setattr("support.terminal.Terminal.readline", lambda _: interrupted())
    assert kakaclo("orders", "create", "--sku", sku, *ADDRESS, typed="").code == 130
    assert sandbox.journal == []


def test_a_file_of_orders_shows_each_price_their_total_and_the_balance(kakaclo, hosted, file):
    before = hosted.call(lambda: hosted.sandbox.ledger.balance)
    outcome = kakaclo("orders", "submit", file("A", "B"), typed="y\n")
    assert outcome.code == 0
    shown = money(outcome.err)
    prices = [Decimal(line.split()[4]) for line in outcome.err.splitlines() if re.match(r" +\d  [AB] ", line)]
    assert len(prices) == 2
    assert sum(prices) == shown["Total"]
    assert (shown["Balance"], shown["Left"]) == (before, hosted.call(lambda: hosted.sandbox.ledger.balance))
    assert f"Place 2 orders for {shown['Total']} USD? [y/N]" in outcome.err


def test_a_file_that_is_declined_leaves_nothing_behind_but_its_journal(kakaclo, sandbox, file, tmp_path):
    outcome = kakaclo("orders", "submit", file("A", "B"), typed="n\n")
    assert outcome.code == 1
    assert outcome.err.endswith("[y/N] nothing was sent\n")
    assert sandbox.journal == []
    assert [path.name for path in tmp_path.glob("*.csv")] == ["orders.csv"]


def test_only_what_was_not_placed_before_is_asked_about(kakaclo, sandbox, file):
    assert kakaclo("orders", "submit", file("A", "B"), typed="y\n").code == 0
    again = kakaclo("orders", "submit", file("A", "B"), typed="n\n")
    assert (again.code, "[y/N]" in again.err) == (0, False)
    more = kakaclo("orders", "submit", file("A", "B", "C"), typed="y\n")
    assert "Place 1 order for " in more.err
    assert len(sandbox.journal) == 3


def test_orders_that_cannot_be_priced_are_counted_beside_the_total(kakaclo, hosted, file, tmp_path):
    path = tmp_path / file("A", "B")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], re.sub(",[A-Z0-9_]+,", ",NOSUCH,", lines[2], count=1)]) + "\n")
    outcome = kakaclo("orders", "submit", path, typed="n\n")
    assert "look at it: 1 of 2 orders have no price" in outcome.err
    assert "KakaClo has no SKU 'NOSUCH'" in outcome.err


def test_with_a_yes_no_price_is_asked_for(kakaclo, sandbox, file):
    assert kakaclo("orders", "submit", file("A"), "--yes").code == 0
    assert sandbox.requests["/v1/payment/balance"] == 0


@pytest.mark.parametrize(("typed", "refunds"), [("y\n", 1), ("n\n", 0)])
def test_the_refund_of_a_whole_order_names_the_amount_and_asks(kakaclo, hosted, placed, typed, refunds):
    before = hosted.call(lambda: hosted.sandbox.ledger.balance)
    outcome = kakaclo("orders", "refund", placed, typed=typed)
    shown = money(outcome.err)
    assert outcome.code == (0 if refunds else 1)
    assert (
        f"Ask for the refund of the whole order {placed} for {shown['Comes back']} USD? [y/N]" in outcome.err
    )
    assert (shown["Balance"], shown["Then"]) == (before, before + shown["Comes back"])
    assert len(hosted.sandbox.ledger.refunds) == refunds
    for number in list(hosted.sandbox.ledger.refunds):
        hosted.call(lambda number=number: hosted.sandbox.ledger.settle(number, granted=True))
        assert hosted.call(lambda: hosted.sandbox.ledger.balance) == shown["Then"]


def test_the_refund_of_a_part_names_its_pieces_and_the_amount(kakaclo, hosted, placed, two_countries):
    outcome = kakaclo("orders", "refund", placed, "--sku", f"{two_countries[0]}:2", typed="n\n")
    shown = money(outcome.err)
    assert f"refund of 2 pieces of order {placed} for {shown['Comes back']} USD? [y/N]" in outcome.err
    assert f"{two_countries[0]}    2" in outcome.err


def test_a_balance_that_cannot_be_read_keeps_no_refund_from_being_asked_for(kakaclo, hosted, placed):
    hosted.sandbox.faults.add(Fault("rejected", path="/v1/payment/balance", times=None))
    outcome = kakaclo("orders", "refund", placed, typed="y\n")
    assert outcome.code == 0
    assert "the balance is not known: " in outcome.err


@pytest.mark.parametrize(("typed", "orders"), [("y\n", 1), ("n\n", 0)])
def test_what_would_be_sent_again_is_priced_and_asked_about(kakaclo, hosted, lost, typed, orders):
    outcome = kakaclo(*lost, typed=typed)
    shown = money(outcome.err)
    assert outcome.code == (0 if orders else 1)
    assert f"Send 1 write for {shown['Orders cost']} USD? [y/N]" in outcome.err
    assert shown["Balance"] - shown["Orders cost"] == shown["Left"]
    assert len(hosted.sandbox.journal) == orders


def test_what_another_worker_lost_while_the_question_stood_is_not_sent_by_its_yes(
    kakaclo, hosted, lost, tmp_path, settings
):
    def another_lost(terminal):
        with closing(sqlite3.connect(tmp_path / "j.db")) as connection:
            columns = [row[1] for row in connection.execute("PRAGMA table_info(kakaclo_write)")]
            others = ", ".join(name for name in columns if name != "key")
            connection.execute(
                f"INSERT INTO kakaclo_write (key, {others}) SELECT 'B', {others} FROM kakaclo_write"  # noqa: S608 - its own columns
            )
            connection.commit()
        return "y\n"

    settings.setattr("support.terminal.Terminal.readline", another_lost)
    outcome = kakaclo(*lost, typed="y\n")
    assert outcome.code == 0
    assert "Send 1 write for" in outcome.err
    assert re.search(r"order +B +not executed", outcome.out)
    assert len(hosted.sandbox.journal) == 1


def test_where_nothing_is_to_be_sent_again_nobody_is_asked(kakaclo, file):
    kakaclo("orders", "submit", file("A"), "--journal", "j.db")
    outcome = kakaclo("orders", "pending", "--finish", "--journal", "j.db", typed="")
    assert (outcome.code, "[y/N]" in outcome.err) == (0, False)
