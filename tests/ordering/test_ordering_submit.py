from __future__ import annotations

import pytest

from kakaclo_async import Conflict, OutcomeUnknown
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped
POST = {"path": "/v2/order/orders", "method": "POST"}


async def test_an_order_is_placed_and_its_number_returned_from_the_journal_ever_after(
    kk, sandbox, journal, order
):
    first = await kk.orders.submit(order(), journal=journal)
    requests = sandbox.requests.total()

    again = await kk.orders.submit(order(), journal=journal)

    assert again == first
    assert sandbox.requests.total() == requests == 1
    assert [placed.orders[0] for placed in sandbox.journal] == [first.id]


@pytest.mark.parametrize("kind", ["reset_after", "server_error", "truncated_json", "empty_body", "silence"])
async def test_an_order_in_doubt_that_was_placed_is_found(kk, sandbox, journal, order, kind):
    sandbox.faults.add(Fault(kind, **POST))

    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    [placed] = sandbox.journal
    assert placed.orders == (created.id,)
    assert await journal.pending() == ()


@pytest.mark.parametrize("kind", ["reset_before", "bad_gateway"])
async def test_an_order_in_doubt_that_was_not_placed_is_sent_again_after_the_quiet_time(
    kk, sandbox, journal, order, kind
):
    sandbox.faults.add(Fault(kind, **POST))
    start = sandbox.now()

    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    [placed] = sandbox.journal
    assert placed.orders == (created.id,)
    assert placed.at - start.timestamp() >= 600
