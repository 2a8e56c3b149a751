"""The commands `fleet status` and `fleet pending`: how the shops stand."""

import asyncio
import json
import sys
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from kakaclo_async import ConfigurationError
from kakaclo_async.cli.command import FAILED, say, sentence
from kakaclo_async.cli.fleet import DEFAULT_FILE
from kakaclo_async.cli.fleet.commands import AsJson, FleetFile, with_fleet
from kakaclo_async.cli.output import Result, Table, print_tables, show

if TYPE_CHECKING:
    from kakaclo_async.fleet import Fleet, FleetStatus


def status(
    fleet: FleetFile = DEFAULT_FILE,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl-C or SIGTERM.")] = False,
    every: Annotated[float, typer.Option(help="With --watch: seconds between two looks.", min=0.1)] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document per line.")] = False,
) -> None:
    """Show each shop: its last and its next turns, how late it is, what waits, is in doubt or declined, what failed."""

    async def work(opened: "Fleet") -> None:
        while True:
            found = await opened.status()
            if as_json:
                sys.stdout.write(json.dumps(found.to_dict(), ensure_ascii=False) + "\n")
            else:
                print_tables(tables(found))
            sys.stdout.flush()
            if not watch:
                return
            await asyncio.sleep(every)

    with suppress(KeyboardInterrupt, asyncio.CancelledError) if watch else nullcontext():
        with_fleet(fleet, work)


def tables(found: "FleetStatus") -> tuple[Table, ...]:
    """Return the tables of shops, of workers, and of names that no shop has any more."""
    rows = [
        (
            *(shop.shop if place == 0 else "", turn.kind, turn.started, turn.due),
            *(_lag(shop.lag, paused=shop.paused), shop.pending, shop.doubts, shop.declined, turn.error),
        )
        for shop in found.shops
        for place, turn in enumerate(shop.turns)
    ]
    head = ("Shop", "Turn", "Last", "Next", "Late", "Wait", "Doubts", "Declined", "Error")
    workers = [(entry.worker, entry.since, entry.beat) for entry in found.workers]
    left = [
        (name, "has orders that wait or are in doubt: see kakaclo fleet pending")
        for name in found.left_behind
    ]
    last = (Table(("No shop", ""), left),) if left else ()
    return Table(head, rows), Table(("Worker", "Since", "Heard of"), workers), *last


def _lag(seconds: float, *, paused: bool) -> str:
    return "paused" if paused else f"{seconds:.0f} s"


def pending(fleet: FleetFile = DEFAULT_FILE, as_json: AsJson = False) -> None:
    """List what waits, is being sent, in doubt or declined, of all shops."""
    unread: list[str] = []

    def note(shop: str, error: ConfigurationError) -> None:
        unread.append(f"shop {shop}: {sentence(error)}")

    found = with_fleet(fleet, lambda opened: opened.pending(unread=note))
    rows = [
        (shop, entry.kind, entry.key, str(entry.status), entry.settles_at, entry.why)
        for shop, entries in found.items()
        for entry in entries
    ]
    names = ("shop", "kind", "key", "status", "settles_at", "why")
    data = [dict(zip(names, row, strict=True)) for row in rows]
    head = ("Shop", "Kind", "Key", "Status", "Settles", "Why")
    show(Result(data=data, tables=(Table(head, rows),)), as_json=as_json)
    for line in unread:
        say(line)
    if unread:
        raise typer.Exit(FAILED)
