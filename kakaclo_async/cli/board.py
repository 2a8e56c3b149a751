"""The command `board`: a web page on this machine, until Ctrl-C."""

import asyncio
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kakaclo_async import KakaClo
from kakaclo_async.cli.command import MakeClient
from kakaclo_async.cli.mirror import DB, usual_db
from kakaclo_async.cli.shop.journal import JournalUrl, journal_url, open_journal
from kakaclo_async.cli.values import run_async
from kakaclo_async.config import MissingToken

if TYPE_CHECKING:
    from kakaclo_async.fleet import Fleet
    from kakaclo_async.ordering import Journal


def board(
    as_json: bool,
    client: MakeClient,
    *,
    db: Annotated[str | None, DB] = None,
    journal: JournalUrl = None,
    fleet: Annotated[
        Path | None,
        typer.Option(
            help="Settings of a fleet, whose shops and workers are shown.",
            metavar="FILE",
            envvar="KAKACLO_FLEET",
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Port on loopback; 0: any free one.", min=0, max=65535)] = 8710,
    write: Annotated[
        bool,
        typer.Option("--write", help="Also ask for refunds and finish the journal, asking before each."),
    ] = False,
) -> None:
    """Show catalog, freight, orders, traffic and a fleet in a browser, until Ctrl-C.

    It prints the address to open, which lets its holder in. Without a token it shows what needs none.
    """
    del as_json  # the address is all that it prints
    with suppress(KeyboardInterrupt, asyncio.CancelledError):  # the only ways to end it
        run_async(_serve(client, db, journal, fleet, port, write=write))


async def _serve(
    make: MakeClient, db: str | None, journal: str | None, fleet: Path | None, port: int, *, write: bool
) -> None:
    from kakaclo_async.board import serve

    kk = _client(make)
    book = await _book(kk, journal)
    try:
        async with (
            nullcontext() if fleet is None else _opened(fleet) as ships,
            serve(kk=kk, db=db or usual_db(), journal=book, fleet=ships, port=port, write=write) as shown,
        ):
            sys.stderr.write("the board; stop it with Ctrl-C\n")
            sys.stdout.write(f"{shown.url}\n")
            sys.stdout.flush()
            await asyncio.Event().wait()
    finally:
        if kk is not None:
            await kk.aclose()


def _opened(path: Path) -> "Fleet":
    from kakaclo_async.fleet import Fleet

    return Fleet.open(path)


def _client(make: MakeClient) -> KakaClo | None:
    """Return a client; None where there is no token."""
    try:
        return make()
    except MissingToken:
        return None


async def _book(kk: KakaClo | None, given: str | None) -> "Journal | None":
    """Return the journal that was named, or the shop's own, if it is there."""
    from kakaclo_async.ordering import Journal

    if given is not None:
        return Journal(journal_url(given))
    if kk is None:
        return None
    book, is_there = await open_journal(kk, None, 600.0, make=False)
    return book if is_there else None
