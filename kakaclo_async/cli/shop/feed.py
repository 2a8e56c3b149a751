"""The command `orders feed`: what happens to a journal's orders, as lines and as posts to webhooks."""

import asyncio
import json
import os
import sys
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Final, cast

import attrs
import typer

from kakaclo_async import ConfigurationError, InvalidRequest, Item, KakaClo, KakaCloError
from kakaclo_async.cli.command import FAILED, MakeClient, say
from kakaclo_async.cli.output import cell, one_line
from kakaclo_async.cli.shop.journal import JournalUrl, open_journal
from kakaclo_async.cli.values import run_async

if TYPE_CHECKING:
    from kakaclo_async.feed import Feed, FeedEvent, Webhook


_SECRET: Final = "KAKACLO_WEBHOOK_SECRET"  # noqa: S105 - the name of the variable that holds it
_QUIET_TIME: Final = 600.0  # nothing is sent that could be in doubt
_LONG: Final = 3600.0  # seconds: until all that is due is done
_LARGEST: Final = 2**63 - 1


def feed(
    as_json: bool,
    client: MakeClient,
    journal: JournalUrl = None,
    webhook: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Post the events to this address, signed with the secret in {_SECRET}; may be repeated.",
            metavar="URL",
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until Ctrl-C or SIGTERM, which end it with code 0.")
    ] = False,
    every: Annotated[
        float, typer.Option(help="With --follow: seconds from the start of one turn to the next.", min=1)
    ] = 15.0,
    balance_below: Annotated[
        str | None,
        typer.Option(help="Tell when the balance falls below.", metavar="USD", show_default=False),
    ] = None,
    consumer: Annotated[
        str, typer.Option(help="Whose cursor the journal keeps: each event is printed once for each name.")
    ] = "command line",
    after: Annotated[
        int | None,
        typer.Option(
            help="Print what comes after this event, and keep no cursor; 0 prints all.",
            min=0,
            max=_LARGEST,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print what has happened to the journal's orders: paid, split, shipped, refunded, completed, cancelled.

    KakaClo tells nobody: the command asks for 250 orders in a request, fresh ones more often than old ones, and keeps
    what it has seen in the journal. Whatever stops it, no event is lost.
    """
    hooks = _webhooks(webhook or ())
    below = None if balance_below is None else _amount(balance_below)

    async def work() -> int:
        from kakaclo_async.feed import Feed

        async with client() as kk:
            book, _ = await open_journal(kk, journal, _QUIET_TIME, make=False, is_needed=True)
            watched = Feed(book, balance_below=below)
            printer = _Printer(watched, consumer, after, as_json=as_json)
            if not follow:
                return await _once(kk, watched, printer, hooks)
            printing = asyncio.create_task(printer.run(every=1.0))
            printing.add_done_callback(lambda _: watched.stop())
            try:
                await watched.follow(kk, every, webhooks=hooks, stop_on_signals=True)
            finally:
                printing.cancel()
                with suppress(asyncio.CancelledError):
                    await printing
            await printer.run(every=None)
            return 0

    if code := run_async(work()):
        raise typer.Exit(code)


async def _once(kk: KakaClo, watched: "Feed", printer: "_Printer", hooks: "list[Webhook]") -> int:
    code, failure = 0, None
    try:
        turn = await watched.turn(kk, _LONG)
    except KakaCloError as error:
        failure = error  # what is there is told all the same
    else:
        sys.stderr.writelines(f"note: {one_line(problem)}\n" for problem in turn.problems)
    for hook in hooks:
        told = await watched.deliver(hook, _LONG)
        if told.waiting:
            say(f"{told.waiting} events wait for {hook.host}: {told.why or 'their turn'}; run it again")
            code = FAILED
    await printer.run(every=None)
    if failure is not None:
        raise failure
    return code


class _Printer:
    """Prints events, and moves the cursor once they are out."""

    def __init__(self, watched: "Feed", consumer: str, after: int | None, *, as_json: bool) -> None:
        self._feed = watched
        self._consumer = consumer
        self._keeps = after is None
        self._after = after
        self._as_json = as_json

    async def run(self, every: float | None) -> None:
        """Print what is new."""
        after = await self._feed.cursor(self._consumer) if self._after is None else self._after
        async for event in self._feed.events(after, every=every):
            line = json.dumps(event.document, ensure_ascii=False) if self._as_json else _line(event)
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()  # the reader may act on this one now
            self._after = event.seq
            if self._keeps:
                await self._feed.acknowledge(self._consumer, event.seq)


def _line(event: "FeedEvent") -> str:
    from kakaclo_async.feed import FeedEvent

    common = {field.name for field in attrs.fields(FeedEvent)}
    facts = [
        f"{field.name}={_told(getattr(event, field.name))}"
        for field in attrs.fields(type(event))
        if field.name not in common and getattr(event, field.name) not in (None, ())
    ]
    order = f"{cell(event.custom_order_id)} ({cell(event.order_id)})" if event.order_id else "-"
    return "  ".join([f"{event.seq:>8}", cell(event.at), f"{event.type:<14}", order, *facts])


def _told(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_told, cast("tuple[object, ...]", value)))
    return f"{value.sku}:{value.quantity}" if isinstance(value, Item) else cell(value)


def _webhooks(urls: "list[str] | tuple[()]") -> "list[Webhook]":
    from kakaclo_async.feed import Webhook

    secret = os.environ.get(_SECRET, "")
    if urls and not secret:
        raise ConfigurationError(
            f"--webhook signs what it posts: set {_SECRET} to a secret that the receiver knows, too"
        )
    return [Webhook(url, secret) for url in urls]


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise InvalidRequest(f"--balance-below {text!r} is no amount in US dollars, for example 100.00")
    return amount
