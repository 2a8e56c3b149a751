"""However a call ends, nothing that a program shows of it has the token or the person: traced, logged, told or stored."""

from __future__ import annotations

import asyncio
from itertools import cycle

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from support.leaks import (
    PERSON,
    REMARK,
    TOKEN,
    Search,
    everything,
    people,
    public_classes,
    shown,
    texts,
    tokens,
)
from support.ordering import POST, RICH
from support.shop import UNLIMITED

from kakaclo_async import Item, KakaClo, KakaCloError, NewOrder, token_from
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault, FaultKind, Sandbox

ENDS = [*FaultKind, "good", "refused", "unauthorized", "cancelled", "closed"]


def calls(kk, journal, sku, number, person, remark):
    """Return one call of each kind that knows a person or can fail, by name."""

    def order(key):
        return NewOrder(address=person, items=[Item(sku, 1)], custom_order_id=key, remark=remark)

    return {
        "create": lambda: kk.orders.create(order("A")),
        "submit": lambda: kk.orders.submit(order("B"), journal=journal, timeout=0),
        "again": lambda: kk.orders.submit(
            attrs.evolve(order("B"), sale_platform="x"), journal=journal, timeout=0
        ),
        "v1": lambda: kk.v1.orders.create(order("C")),
        "refund": lambda: kk.refunds.request(number, remark=remark),
        "refund once": lambda: kk.refunds.request(number, remark=remark, journal=journal, timeout=0),
        "refund v1": lambda: kk.v1.refunds.request(number, remark),
        "check": lambda: kk.orders.check(order("D")),
        "get": lambda: kk.orders.get(number),
        "wait": lambda: kk.orders.wait(number, timeout=0),
        "balance": kk.payment.balance,
    }


async def end_all(end, source, person, remark, token, folder):
    """Let all calls end like this; return what is shown of it, and how many errors there were."""
    errors = []
    async with Sandbox(token=token, **RICH) as sandbox:
        sku = next(sandbox.catalog.selling(pieces=5))
        async with KakaClo(token, base_url=sandbox.url, rate_limit=UNLIMITED) as kk:
            order = NewOrder(address=person, items=[Item(sku, 1)], custom_order_id="Z")
            number = (await kk.orders.create(order)).id
        sandbox.skip(400)
        said = f"no such place: {'; '.join(v for k, v in attrs.asdict(person).items() if k != 'country')}; "
        if end in list(FaultKind):
            message = f"{said} {remark} {token}"
            options = {"message": message, "seconds": 0.5, "times": None}
            for path in (POST["path"], "/v1/order/orders"):
                sandbox.faults.add(Fault(end, path=path, method="POST", **options))
            sandbox.faults.add(Fault(end, path="*/refund", **options | {"message": f"{remark} {token}"}))
            sandbox.faults.add(Fault(end, **options | {"message": token}))
        elif end == "refused":
            await sandbox.aclose()
        elif end == "cancelled":
            sandbox.faults.add(Fault("silence", times=None))
        with everything(asyncio.get_running_loop()) as found:
            kk = KakaClo(
                source if end != "unauthorized" else f"{token}-wrong",
                base_url=sandbox.url, rate_limit=UNLIMITED, timeout=0.4, max_attempts=2,
            )  # fmt: skip
            kk.on_event(lambda event: found.append(repr(event)))
            journal = Journal(f"sqlite:///{folder}/{end}.db", now=sandbox.now)
            if end == "closed":
                await kk.aclose()
            for call in calls(kk, journal, sku, number, person, remark).values():
                task = asyncio.create_task(call())
                if end == "cancelled":
                    await asyncio.sleep(0.02)
                    task.cancel()
                try:
                    found.append(repr(await task))
                except (KakaCloError, asyncio.CancelledError) as error:
                    errors.append(error)
                    found.extend(shown(error))
                found.append(repr(task))
            kept = (kk, journal, await journal.pending(), kk.stats(), kk._sender, kk._sender.state)
            found.extend(map(repr, kept))
            await kk.aclose()
    return found, errors


EXPECTED = {asyncio.CancelledError, *public_classes(KakaCloError)}
SOURCES = {
    "str": lambda token: token,
    "function": lambda token: lambda: token,
    "async function": lambda token: token_from("env:KAKACLO_TEST_TOKEN"),
}


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("end", "source"), [*zip(ENDS, cycle(SOURCES), strict=False)], ids=str)
async def test_no_end_of_any_call_shows_the_token_or_the_person(end, source, tmp_path, monkeypatch):
    monkeypatch.setenv("KAKACLO_TEST_TOKEN", TOKEN)
    found, errors = await end_all(end, SOURCES[source](TOKEN), PERSON, REMARK, TOKEN, tmp_path)
    search = Search()
    search(f"{end}, {source}", *found)
    assert search.texts > 500
    assert {type(error) for error in errors} & EXPECTED


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@given(person=people(), remark=texts, token=tokens)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_end_of_a_call_shows_any_text(person, remark, token, tmp_path_factory):
    async def all_ends():
        search = Search()
        for end in (FaultKind.REJECTED, FaultKind.SERVER_ERROR, FaultKind.RESET_AFTER, "cancelled"):
            folder = tmp_path_factory.mktemp("fuzz")
            found, _ = await end_all(end, lambda: token, person, remark, token, folder)
            search(end, *found)

    asyncio.run(all_ends())
