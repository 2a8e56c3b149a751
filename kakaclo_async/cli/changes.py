"""The command `changes`: what happened to products and SKUs, as a stream for other programs."""

import asyncio
import errno
import io
import json
import select
import sys
from contextlib import aclosing, nullcontext, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from kakaclo_async.cli.command import run_async
from kakaclo_async.cli.database import DB, DEFAULT_DB
from kakaclo_async.cli.output import to_plain
from kakaclo_async.cli.text import cell

if TYPE_CHECKING:
    from kakaclo_async.catalog import Change


_LARGEST_ID = 2**63 - 1
_LONGEST_PAUSE = 86_400.0


def changes(
    db: Annotated[str, DB] = DEFAULT_DB,
    after: Annotated[
        int,
        typer.Option(
            help="The id of the last change that you handled: only newer ones are printed.",
            min=0,
            max=_LARGEST_ID,
        ),
    ] = 0,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Wait for more, until Ctrl-C or SIGTERM, which end it with code 0."),
    ] = False,
    every: Annotated[float, typer.Option(help="With --follow: seconds between two looks.", min=0.1)] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document per line.")] = False,
) -> None:
    """Print what changed, oldest first; it needs no token, and may run beside the mirror."""
    with suppress(KeyboardInterrupt, asyncio.CancelledError) if follow else nullcontext():
        run_async(_print_all(db, after, every if follow else None, as_json=as_json))


async def _print_all(db: str, after: int, every: float | None, *, as_json: bool) -> None:
    from kakaclo_async.catalog.database import MirrorDatabase
    from kakaclo_async.errors import DatabaseAway

    database = MirrorDatabase(db)
    failed: tuple[type[Exception], ...] = ()  # the first look must work
    while True:
        with suppress(*failed):
            async with aclosing(database.changes(after)) as found:
                async for change in found:
                    _print(change, as_json=as_json)
                    after = change.id
        if every is None:
            return
        failed = (DatabaseAway,)
        await asyncio.sleep(min(max(0.1, every), _LONGEST_PAUSE))
        if _reader_has_gone():
            raise BrokenPipeError(errno.EPIPE, "nobody reads any more")


def _print(change: "Change", *, as_json: bool) -> None:
    if as_json:
        line = json.dumps(to_plain(change), ensure_ascii=False)
    else:
        what = f"{cell(change.old)} -> {cell(change.new)}" if (change.old, change.new) != (None, None) else ""
        code = cell(change.sku or change.spu)
        line = f"{change.id:>8}  {cell(change.at)}  {change.kind:<15}  {code:<24}  {what}".rstrip()
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # whoever reads acts on this one now


def _reader_has_gone() -> bool:
    """Whether the other end of the pipe was closed, which a writer with nothing to write does not notice."""
    with suppress(io.UnsupportedOperation, AttributeError):  # no file, or no poll, as on Windows
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(flags & (select.POLLERR | select.POLLHUP) for _, flags in poll.poll(0))
    return False
