"""What a drain costs the journal's database."""

from __future__ import annotations

import pytest
from sqlalchemy import event
from support.campaign import stock_up

from kakaclo_async.ordering import Drained

pytestmark = pytest.mark.stepped


async def add(journal, order, *ids):
    for custom_order_id in ids:
        await journal.add(order(custom_order_id))


class Statements:
    """Counts what a journal asks of its database, transactions and their settings aside."""

    def __init__(self, journal):
        self.seen = []
        engine = journal._database._transactions._engine

        @event.listens_for(engine, "before_cursor_execute")
        def note(_connection, _cursor, statement, parameters, *_):
            self.seen.append((statement, parameters))

    def take(self):
        seen, self.seen = [statement for statement, _ in self.seen], []
        return [statement for statement in seen if not statement.startswith(("BEGIN", "PRAGMA"))]


async def test_a_drain_with_nothing_to_do_costs_two_statements(kk, sandbox, journal, order):
    await add(journal, order, "SHOP-1")
    await journal.drain(kk)
    statements = Statements(journal)
    sandbox.requests.clear()
    assert await journal.drain(kk) == Drained()
    assert len(statements.take()) == 2
    assert sandbox.requests.total() == 0


async def test_an_order_costs_a_drain_four_statements(kk, sandbox, journal, order):
    """To claim it, to read it, and to record its number; and each drain looks how things stand, twice."""
    stock_up(sandbox)
    await add(journal, order, *(f"SHOP-{number}" for number in range(20)))
    statements = Statements(journal)
    assert len((await journal.drain(kk, at_once=2)).placed) == 20
    assert len(statements.take()) <= 3 * 20 + 2 + 2 * 2


async def test_a_drain_reads_no_row_of_what_is_done(kk, journal, order):
    """Its statements go by the index of what waits and the one of states."""
    await add(journal, order, "SHOP-1")
    statements = Statements(journal)
    await journal.drain(kk)
    seen = [
        (statement, parameters)
        for statement, parameters in statements.seen
        if statement.startswith(("SELECT", "UPDATE"))
    ]
    assert any("queued_at" in statement for statement, _ in seen)

    def plans(connection):
        return [
            (statement, row[3])
            for statement, parameters in seen
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]

    for statement, plan in await journal._database.run(plans):
        assert "SCAN kakaclo_write" not in plan or "USING" in plan, statement
        assert "TEMP B-TREE" not in plan, statement
