"""The command `orders pending`: what a journal does not know to be done, and sending it again."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from kakaclo_async import KakaClo, KakaCloError
from kakaclo_async.cli.output import Result, Table, one_line
from kakaclo_async.cli.shop.asking import (
    Yes,
    ask,
    balance_of,
    can_ask,
    costs,
    counted,
    for_sum,
    too_little,
)
from kakaclo_async.cli.shop.journal import JournalUrl, QuietTime, open_journal
from kakaclo_async.resources.orders.check import cost_of
from kakaclo_async.sending import sender_of

if TYPE_CHECKING:
    from kakaclo_async.ordering import Entry, Journal


async def pending(
    kk: KakaClo,
    *,
    journal: JournalUrl = None,
    settle: Annotated[
        bool, typer.Option("--settle", help="First search KakaClo, and record what was placed.")
    ] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="Settle, and then send what waits or KakaClo did not get.")
    ] = False,
    quiet_time: QuietTime = 600.0,
    yes: Yes = False,
) -> Result:
    """List the writes of a journal that are not done: waiting, being sent, of unknown outcome, or not executed.

    On a terminal, --finish shows what it would send again, and what that costs, and asks first.
    """
    book, _ = await open_journal(kk, journal, quiet_time, make=False, is_needed=True)
    if finish:
        agreed = None if yes or not can_ask() else await _ask_again(kk, book)
        entries = await (book.pending() if agreed == [] else book.finish(kk, only=agreed))
    else:
        entries = await (book.settle(kk) if settle else book.pending())
    rows = [_facts(entry) for entry in entries]
    columns = ("Kind", "Id", "Status", "Since", "Can be settled", "Attempts", "Why")
    return Result(data=rows, tables=(Table(columns, [row.values() for row in rows]),))


async def _ask_again(kk: KakaClo, book: "Journal") -> list["Entry"]:
    """Search KakaClo, ask whether to send again what it did not get, and return it."""
    from kakaclo_async.ordering.orders import read_order
    from kakaclo_async.ordering.writes import WriteStatus

    try:
        await book.settle(kk)
    except KakaCloError as error:
        sys.stderr.write(f"not all could be searched for: {one_line(str(error))}\n")
    to_send = {WriteStatus.WAITING, WriteStatus.NOT_EXECUTED}
    entries = [entry for entry in await book.pending() if entry.status in to_send]
    if entries:
        orders = [read_order(entry.payload) for entry in entries if entry.kind == "order"]
        total, balance = await cost_of(sender_of(kk.bulk()), orders), await balance_of(kk)
        rows = [
            (entry.kind, entry.key, ", ".join(f"{i.quantity} {i.sku}" for i in entry.items))
            for entry in entries
        ]
        ask(
            f"Send {counted(len(entries), 'write')}{f' {for_sum(total)}' if orders else ''}",
            (Table(("Kind", "Id", "Items"), rows), costs({"Orders cost": total}, balance)),
            too_little(total, balance),
        )
    return entries


def _facts(entry: "Entry") -> dict[str, object]:
    return {
        "kind": entry.kind,
        "id": entry.key,
        "status": entry.status,
        "since": entry.sent_from,
        "settles_at": entry.settles_at,
        "attempts": entry.attempts,
        "why": entry.why,
    }
