"""Nobody's address or phone number is shown, whatever fails and whatever KakaClo says of it."""

from __future__ import annotations

import asyncio
import logging
import re
import traceback

import attrs
import pytest
from hypothesis import given, settings, strategies as st
from support.ordering import POST, client
from support.shop import UNLIMITED

from kakaclo_async import (
    Address,
    Guards,
    InvalidRequest,
    Item,
    KakaClo,
    KakaCloError,
    OutcomeUnknown,
    Rejected,
)
from kakaclo_async.ordering import Journal
from kakaclo_async.resources.orders.placing import without_address
from kakaclo_async.sandbox import Fault, FaultKind

stepped = pytest.mark.stepped

SECRET = Address(
    country="US",
    phone="+1 (555) 0100-777",
    recipient="Zoë O'Marker [x]",
    province="Mårkerland",
    street1="7 Marker St. #4",
    street2="c/o Hidden+Co",
    city="Marker City",
    zip="MK-4711",
    ioss="IM3720000007",
    vat="GB999 9999 73",
)
SECRETS = [value for field, value in attrs.asdict(SECRET).items() if field != "country"]
SAID = f"no such place: {'; '.join(SECRETS)}; call 15550100777, {SECRET.recipient.upper()}"
EVERY_END = [*FaultKind, "refused", "no tls", "unauthorized", "no money", "closed"]


def assert_hidden(*texts):
    for text in texts:
        plain = text.decode("latin-1") if isinstance(text, bytes) else str(text)
        for secret in (*SECRETS, "15550100777", "Marker", "MARKER"):
            assert secret not in plain
            assert secret.encode().decode("latin-1") not in plain
            assert ascii(secret)[1:-1] not in plain


def shown(error):
    """Return all that a log, a debugger or an error tracker shows of an error and of those behind it."""
    texts = ["".join(traceback.format_exception(error))]
    while error is not None:
        texts += [str(error), repr(error), repr(vars(error)), repr(error.args)]
        error = error.__cause__ or error.__context__
    return texts


async def fail(sandbox, end):
    """Return a client whose next order ends like this."""
    options = {"timeout": 2.0, "max_attempts": 2}
    if end in list(FaultKind):
        sandbox.faults.add(Fault(end, message=SAID, times=None, **POST))
    elif end == "refused":
        await sandbox.aclose()
    elif end == "no tls":
        url = f"https://127.0.0.1:{sandbox.port}/openapi"
        return KakaClo("t", base_url=url, rate_limit=UNLIMITED, **options)
    elif end == "unauthorized":
        return KakaClo("wrong", base_url=sandbox.url, rate_limit=UNLIMITED, **options)
    elif end == "no money":
        sandbox.ledger._balance *= 0
    kk = client(sandbox, **options)
    if end == "closed":
        await kk.aclose()
    return kk


@stepped
@pytest.mark.parametrize("end", EVERY_END)
async def test_no_end_of_an_order_shows_its_address_and_each_names_the_order(
    sandbox, url, order, caplog, tmp_path, end
):
    caplog.set_level(logging.DEBUG)
    for name in ("sqlalchemy.engine", "aiohttp", "kakaclo"):
        caplog.set_level(logging.DEBUG, logger=name)
    journal = Journal(url, now=sandbox.now)
    marked = order("SHOP-1", address=SECRET, remark=SAID)
    errors = []
    async with await fail(sandbox, end) as kk:
        for write in (kk.orders.create(marked), kk.orders.submit(marked, journal=journal, timeout=0)):
            try:
                await write
            except KakaCloError as error:
                errors.append(error)

    entries = await journal.pending()
    assert len(errors) == (0 if end in {FaultKind.DELAY, FaultKind.WRONG_CONTENT_TYPE} else 2)
    for error in errors:
        assert "SHOP-1" in str(error)
        assert_hidden(*shown(error))
    assert "BEGIN" in caplog.text
    assert_hidden(caplog.text, repr(marked), repr(journal), repr(entries), *(entry.why for entry in entries))

    sandbox.faults.clear()
    sandbox.ledger._balance += 10**9
    if end == "refused":
        await sandbox.start()
    async with client(sandbox) as kk:
        created = await kk.orders.submit(marked, journal=journal, timeout=None)
        sandbox.skip(400)
        assert_hidden(caplog.text, repr(created), repr(await kk.orders.get(created.id)))
    assert_hidden(*(path.read_bytes() for path in tmp_path.iterdir()))


@stepped
async def test_checks_and_refunds_show_no_address(kk, sandbox, order, caplog):
    caplog.set_level(logging.DEBUG)
    misplaced = {"country": SECRET.street1}
    with pytest.raises(InvalidRequest) as refused:
        attrs.evolve(SECRET, **misplaced)
    given = attrs.asdict(SECRET) | misplaced
    checks = [
        await kk.orders.check({"address": given, "items": [{"sku": "A", "quantity": 1}]}),
        await kk.orders.check(order("A", Item("NOSUCH", 1), address=SECRET)),
        await kk.orders.check({"address": given | {"phone": 5550100777}, "items": [SAID]}),
    ]
    created = await kk.orders.create(order("A", address=SECRET))
    sandbox.skip(90_000)
    with pytest.raises(Rejected, match="'A'") as caught:
        await kk.refunds.request(created.id)

    assert not any(check.ok for check in checks)
    assert_hidden(*map(repr, checks), *shown(refused.value), *shown(caught.value), caplog.text)


@stepped
async def test_an_error_that_two_orders_share_names_each_its_own(sandbox, order):
    sandbox.faults.add(Fault("rejected", path="/v1/product/products"))
    async with client(sandbox, guards=Guards(max_order_amount=99)) as kk:
        errors = await asyncio.gather(
            *(kk.orders.create(order(key)) for key in ("A", "B")), return_exceptions=True
        )

    assert len(sandbox.log) == 1
    for key, error in zip("AB", errors, strict=True):
        assert str(error).startswith(f"order '{key}' was not placed: GET /v1/product/products was refused")


parts = (
    st.text(alphabet="äB79+(.\\\\[ ", min_size=3, max_size=12)
    .map(str.strip)
    .filter(lambda text: len(text) > 2)
)


@settings(max_examples=100, deadline=None)
@given(st.lists(parts, min_size=1, max_size=6))
def test_whatever_an_address_holds_is_not_left_in_a_text(values):
    address = {f"f{number}": value for number, value in enumerate(values)}

    cleared = without_address("\n".join([*values, *map(str.upper, values)]), address)

    assert all(line.startswith("[f") for line in cleared.split("\n"))
    assert not any(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", cleared) for value in values)


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="abc 12", max_size=30))
def test_what_is_no_address_is_left_as_it_is(text):
    assert without_address(text, {"phone": "555 0100", "city": "Xy", "street1": "Long Street 9"}) == text


async def test_a_custom_order_id_that_is_a_part_of_the_address_still_names_the_order(kk, sandbox, order):
    sandbox.faults.add(Fault("reset_after", **POST))

    with pytest.raises(OutcomeUnknown, match="'MK-4711'"):
        await kk.orders.create(order(SECRET.zip, address=SECRET))
