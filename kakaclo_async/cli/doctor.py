"""The command `doctor`: what stands between this machine and KakaClo; it only reads."""

import asyncio
import os
import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, TypeVar
from urllib.parse import urlsplit

import attrs
import typer

from kakaclo_async import ConfigurationError, KakaClo, KakaCloError, RateLimited, Recording, Unauthorized
from kakaclo_async.cli.command import FAILED, MakeClient, sentence
from kakaclo_async.cli.mirror import DB, usual_db
from kakaclo_async.cli.output import Result, Table, show
from kakaclo_async.cli.shop.journal import JournalUrl, open_journal
from kakaclo_async.cli.values import run_async
from kakaclo_async.config import MissingToken
from kakaclo_async.errors import APIError, ConnectionFailed, DeadlineExceeded, DecodeError
from kakaclo_async.sending import sender_of
from kakaclo_async.transport.endpoint import environment_name

T = TypeVar("T")

_CLOCKS_DIFFER: Final = 5.0
"""Seconds; `Date` headers have whole ones, and an answer is under way for some time."""

_STALE: Final = timedelta(days=1)
_ORDERS: Final = "GET /v2/order/orders"
_READINGS: Final = {
    "updateDate or modifyDate": (_ORDERS, ("data.list[].updateDate", "data.list[].modifyDate")),
    "order ids": (_ORDERS, ("data.list[].id",)),
    "refund ids": ("GET /v2/order/orders/refund/{id}", ("data.list[].refundNo",)),
    "balance": ("GET /v1/payment/balance", ("data",)),
}
"""Where the documents contradict themselves, or are silent, and the fields of answers that tell."""


@attrs.frozen
class Finding:
    """What was found of one thing.

    Attributes:
        check: the thing.
        state: "warn" may be meant so; "fail" keeps something from working.
        text: what was found, and what to do.
    """

    check: str
    state: Literal["ok", "warn", "fail"]
    text: str


def doctor(
    as_json: bool,
    client: MakeClient,
    *,
    db: Annotated[str | None, DB] = None,
    journal: JournalUrl = None,
) -> None:
    """Look at token, clock, network, bucket, journal, database, and which reading of the documents this KakaClo has.

    It sends three requests, which only read. Exit code 1 if anything fails, else 0.
    """
    found = run_async(_examine(client, db, journal))
    rows = [(finding.state, finding.check, finding.text) for finding in found]
    failed = any(finding.state == "fail" for finding in found)
    data = {"ok": not failed, "findings": [attrs.asdict(finding) for finding in found]}
    show(Result(data=data, tables=(Table(("State", "Check", "Found"), rows),)), as_json=as_json)
    if failed:
        raise typer.Exit(FAILED)


async def _examine(make: MakeClient, db: str | None, journal: str | None) -> list[Finding]:
    recording = Recording()
    try:
        client = make(recording)
    except MissingToken as error:
        return [Finding("token", "fail", sentence(error)), await _database(db)]
    except ConfigurationError as error:
        return [Finding("settings", "fail", sentence(error)), await _database(db)]
    async with client as kk:
        found = [
            *await _network(kk),
            _proxy(kk),
            _bucket(kk),
            await _journal(kk, journal),
            await _database(db),
        ]
        return [*found, *_readings(recording)]


async def _network(kk: KakaClo) -> list[Finding]:
    """Ask three questions; return what they tell of token, reachability and clock."""
    source, where = _source(kk), urlsplit(kk._base_url).netloc  # noqa: SLF001 - packages share privates
    error = await _error_of(kk.payment.balance())
    token = Finding("token", "ok", f"{source}; KakaClo takes it")
    reached = Finding("reachability", "ok", f"{where} answers")
    if isinstance(error, Unauthorized):
        token = Finding("token", "fail", f"{source}; {sentence(error)}")
    elif isinstance(error, ConnectionFailed | DeadlineExceeded):
        token = Finding("token", "warn", f"{source}; KakaClo was not reached")
        reached = Finding("reachability", "fail", sentence(error))
    elif isinstance(error, ConfigurationError):
        token = Finding("token", "fail", f"{source}; {sentence(error)}")
        reached = Finding("reachability", "warn", "not asked: there is no token")
    elif isinstance(error, APIError | DecodeError) and not isinstance(error, RateLimited):
        token = Finding("token", "warn", f"{source}; not known whether KakaClo takes it")
        reached = Finding("reachability", "fail", f"{where} answers, but not well: {sentence(error)}")
    if error is None:
        try:
            for order in (await kk.orders.page(page_size=20)).list[:1]:
                await kk.refunds.of(order.id)
        except KakaCloError as trouble:
            reached = Finding("reachability", "warn", f"{where} answers, but not always: {sentence(trouble)}")
    return [token, _clock(kk), reached]


async def _error_of(call: Awaitable[object]) -> KakaCloError | None:
    try:
        await call
    except KakaCloError as error:
        return error
    return None


def _source(kk: KakaClo) -> str:
    """Return where the token comes from, never what it is."""
    token = sender_of(kk).state.token
    if token.fixed is None:
        return f"from {getattr(token._source, 'place', 'a function')}"  # noqa: SLF001 - packages share privates
    is_variable = token.fixed == (os.environ.get("KAKACLO_TOKEN") or "").strip()
    return "from KAKACLO_TOKEN" if is_variable else "from --token, which others can read: use --token-from"


def _clock(kk: KakaClo) -> Finding:
    here = time.time()
    clock = sender_of(kk).state.server_clock
    there = clock.now(loop_time=asyncio.get_running_loop().time(), wall_time=here)
    if there is None:
        return Finding("clock", "warn", "not compared: no answer had a Date")
    ahead = here - there
    if abs(ahead) <= _CLOCKS_DIFFER:
        return Finding("clock", "ok", f"within {_CLOCKS_DIFFER:g} s of KakaClo's")
    apart = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'}"
    if environment_name(kk._base_url) == "local":  # noqa: SLF001 - packages share privates
        text = f"{apart} the sandbox's, whose time may run faster and be pushed on: leave this machine's as it is"
        return Finding("clock", "ok", text)
    return Finding("clock", "warn", f"{apart} KakaClo's: set this machine's clock")


def _proxy(kk: KakaClo) -> Finding:
    proxy = sender_of(kk).state.transport.proxy
    return Finding("proxy", "ok", "none" if proxy is None else proxy)


def _bucket(kk: KakaClo) -> Finding:
    stats, rate = kk.stats(), sender_of(kk).state.gate._bucket.rate  # noqa: SLF001 - packages share privates
    limit = (
        f"room for {rate.capacity} requests, of which {rate.burst} are sent at once and {rate.capacity - rate.burst}"
        f" kept to spare; then {rate.per_second:g} per second"
    )
    if stats.throttled:
        text = f"{stats.throttled} of {stats.requests} requests met a 429: another program uses the token"
        return Finding("bucket", "warn", f"{text} ({limit})")
    return Finding("bucket", "ok", limit)


async def _journal(kk: KakaClo, given: str | None) -> Finding:
    try:
        book, is_there = await open_journal(kk, given, 600.0, make=False)
        writes = await book.pending() if is_there else ()
    except KakaCloError as error:
        return Finding("journal", "fail", sentence(error))
    if not is_there:
        return Finding("journal", "ok", "none yet: kakaclo orders submit makes it")
    if writes:
        text = f"{len(writes)} writes are not done: kakaclo orders pending --finish"
        return Finding("journal", "warn", text)
    return Finding("journal", "ok", "every write is done")


async def _database(given: str | None) -> Finding:
    from kakaclo_async.catalog.database import MirrorDatabase

    if (url := given or usual_db()) is None:
        return Finding("database", "ok", "none here: kakaclo mirror makes catalog.db")
    try:
        status = await MirrorDatabase(url).status()
    except KakaCloError as error:
        return Finding("database", "fail", sentence(error))
    untils = [until for until in (status.products_until, status.stock_until) if until is not None]
    text = f"{status.products} products, {status.skus} SKUs"
    if len(untils) < 2 or status.gaps:
        return Finding("database", "warn", f"{text}, and rows may be missing: run kakaclo mirror again")
    if datetime.now(UTC) - min(untils) > _STALE:
        return Finding("database", "warn", f"{text}, up to {min(untils):%Y-%m-%d %H:%MZ}: run kakaclo mirror")
    return Finding("database", "ok", f"{text}, up to {min(untils):%Y-%m-%d %H:%MZ}")


def _readings(recording: Recording) -> list[Finding]:
    """Return what the answers tell of the documents' contradictions."""
    found = [Finding("orderAddress or orderAddresses", "ok", "no read tells: an order finds out by itself")]
    for what, (endpoint, fields) in _READINGS.items():
        kinds = {field: recording.kinds(endpoint, field) for field in fields}
        seen = [
            f"{field.rpartition('.')[2]}: {' and '.join(shapes)}" for field, shapes in kinds.items() if shapes
        ]
        found.append(Finding(what, "ok", "; ".join(seen) or "not known yet: no answer had one"))
    return found
