"""The commands `orders submit` and `orders pending`: many orders from a file, each exactly once, and what is left."""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import attrs
import typer
from platformdirs import user_data_path

from kakaclo_async import (
    ConfigurationError,
    Conflict,
    InvalidRequest,
    KakaClo,
    KakaCloError,
    NewOrder,
    OutcomeUnknown,
    PageDone,
    Rejected,
    Unauthorized,
)
from kakaclo_async.cli.catalog import dry_run as check_all
from kakaclo_async.cli.command import fault, say, sentence
from kakaclo_async.cli.export import refuse_other_files
from kakaclo_async.cli.orders_file import FileOrder, read_orders
from kakaclo_async.cli.output import Result, ResultFile, ResultLine, Table
from kakaclo_async.cli.progress import progress
from kakaclo_async.config import environment_name
from kakaclo_async.sending import sender_of
from kakaclo_async.sharing import gather_in_order

if TYPE_CHECKING:
    from kakaclo_async.ordering import Entry, Journal


_MAX_IN_FLIGHT: Final = 16
"""Orders being sent: enough for the rate of any shop, few enough to reconcile after a crash."""

_PLACED: Final = "placed"
_UNKNOWN: Final = "unknown"
_NOT_SENT: Final = "not sent"

_JournalUrl = Annotated[
    str | None,
    typer.Option(
        help="The journal: an SQLite file, or postgresql://USER:PASSWORD@HOST/NAME; by default a file of the shop's in"
        " your data folder.",
        metavar="FILE|URL",
        envvar="KAKACLO_JOURNAL",
        show_default=False,
    ),
]
_QuietTime = Annotated[
    float,
    typer.Option(
        help="Seconds after which an order that does not show up was not placed.", metavar="SECONDS"
    ),
]


async def submit(
    kk: KakaClo,
    file: Annotated[Path, typer.Argument(help="Orders as .csv or .jsonl.")],
    *,
    journal: _JournalUrl = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Place nothing: check every order, and the total against the balance."
        ),
    ] = False,
    results: Annotated[
        Path | None, typer.Option(help="Where to write results; FILE.results.csv by default.", metavar="FILE")
    ] = None,
    quiet_time: _QuietTime = 600.0,
) -> Result:
    """Place all orders of a file, each exactly once: after a crash, run it again to place the rest.

    CSV: one item per row, with the columns custom_order_id, sku, quantity, country, recipient, phone, province, and
    optionally city, street1, street2, zip, ioss, vat, channel_type, remark, sale_platform. Rows with the same
    custom_order_id are one order. JSON lines: one order per line, as in `kakaclo orders create --help`. A file with a
    bad row is refused as a whole, before anything is sent, with a list of all problems.

    The journal records what was placed, by custom_order_id: keep it. It holds the addresses of orders until they are
    placed.
    """
    target = ResultFile(results or file.with_name(f"{file.stem}.results.csv"))
    if not dry_run:
        refuse_other_files(target.path, file, None if journal is None else _url(journal))
        target.check()
    found = read_orders(file)
    if dry_run:
        return await check_all(kk, found)
    if problems := [entry.describe(problem) for entry in found for problem in entry.problems]:
        # Nothing of it is placed: what is wrong with one row may be wrong with others, unnoticed.
        return Result(data={"problems": problems}, tables=(), errors=tuple(map(InvalidRequest, problems)))
    book = await _journal(kk, journal, quiet_time, make=True)
    with target as result_file:
        lines, trouble = await _place(kk, found, book, result_file)
    return _submitted(lines, trouble, result_file)


def _url(journal: str) -> str:
    """Return the URL of a journal, which may be given as a file.

    Raises:
        ConfigurationError: it lies in the home of nobody, or in a folder that is gone.
    """
    from kakaclo_async.database.url import sqlite_url

    try:
        return sqlite_url(journal)
    except (OSError, RuntimeError):
        raise ConfigurationError(
            "the journal's folder is not there: give --journal with its whole path"
        ) from None


def _submitted(lines: Sequence[ResultLine], trouble: Exception | None, file: ResultFile) -> Result:
    """Say what became of the orders: that none was sent only when none was."""
    counts = Counter(line.result for line in lines)
    if trouble is not None and not counts.keys() & {_PLACED, _UNKNOWN, "rejected"}:
        raise trouble
    done = [
        f"order {line.custom_order_id!r} was placed as {line.order_id}" for line in lines if line.order_id
    ]
    errors: list[KakaCloError] = [
        OutcomeUnknown(f"the outcome of order {line.custom_order_id!r} is unknown: run this again later")
        for line in lines
        if line.result == _UNKNOWN
    ]
    if trouble is not None:
        errors.append(
            KakaCloError(
                f"stopped with {counts[_PLACED]} of {len(lines)} orders placed: {sentence(trouble)}; submit the same"
                " file again with the same journal, which places the rest"
            )
        )
    if file.trouble is not None:
        sys.stderr.writelines(f"{text}\n" for text in done)
        errors.append(
            KakaCloError(f"{file.path} lacks results ({file.trouble}): run this again for all of them")
        )
    others = [line for line in lines if line.result not in {_PLACED, _UNKNOWN, _NOT_SENT}]
    return Result(
        data={"results": [attrs.asdict(line) for line in lines], "file": str(file.path)},
        tables=(Table(("Orders", str(len(lines))), [*counts.items(), ("results in", file.path)]),),
        errors=(*errors, *(KakaCloError(line.reason) for line in others)),
        done=tuple(done),
    )


async def _journal(kk: KakaClo, given: str | None, quiet_time: float, *, make: bool) -> "Journal":
    """Open the journal that was asked for, or the shop's own, which does not depend on the folder one stands in.

    Raises:
        ConfigurationError: it cannot be opened; or it would be new, and another may know this shop's orders.
    """
    from kakaclo_async.database.url import DatabaseUrl, shop_file
    from kakaclo_async.ordering import Journal
    from kakaclo_async.ordering.database import prepare_shop_file

    if given is None:
        folder = None
        with suppress(RuntimeError):
            folder = user_data_path("kakaclo", appauthor=False) / "journals"
        if folder is None or not folder.is_absolute():
            raise ConfigurationError(
                "you have no home folder for the journal: give --journal, or set KAKACLO_JOURNAL"
            )
        token = await sender_of(kk).state.token.read()
        url = kk._base_url  # noqa: SLF001 - packages share privates
        name = environment_name(url)
        # Sandboxes come and go: each has a journal of its own.
        path = shop_file(folder, name, token + url if name == "local" else token)
        if not prepare_shop_file(path, make=make):
            raise ConfigurationError(f"there is no journal in {path}: submit orders first, or give --journal")
        given = str(path)
    url = _url(given)
    book = Journal(url, quiet_time=quiet_time)
    try:
        await book.pending()
    except ConfigurationError as error:
        if not make or not str(error).startswith("there is no journal"):
            raise
        where = DatabaseUrl.parse(url, holds="journal", example="orders.db")
        sys.stderr.write(
            f"new journal in {where.path() if where.is_sqlite else where}: orders placed with another journal are"
            " unknown to it\n"
        )
    return book


async def pending(
    kk: KakaClo,
    *,
    journal: _JournalUrl = None,
    settle: Annotated[
        bool, typer.Option("--settle", help="First search KakaClo, and record what was placed.")
    ] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="Settle, and then send again what KakaClo did not get.")
    ] = False,
    quiet_time: _QuietTime = 600.0,
) -> Result:
    """List the writes of a journal that are not done: being sent, of unknown outcome, or not executed."""
    book = await _journal(kk, journal, quiet_time, make=False)
    if finish:
        entries = await book.finish(kk)
    else:
        entries = await (book.settle(kk) if settle else book.pending())
    rows = [_facts(entry) for entry in entries]
    columns = ("Kind", "Id", "Status", "Since", "Can be settled", "Attempts", "Why")
    return Result(data=rows, tables=(Table(columns, [row.values() for row in rows]),))


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


async def _place(
    kk: KakaClo, found: Sequence[FileOrder], journal: "Journal", result_file: ResultFile
) -> tuple[list[ResultLine], Exception | None]:
    """Place the orders of a file, none of which has a problem.

    Returns:
        What became of them, in their order; and what every other order would meet, too, so that no more were begun.
        Those that were under way then have come to their end.
    """
    orders = {place: entry.order for place, entry in enumerate(found) if entry.order is not None}
    lines: dict[int, ResultLine] = {}
    unknown: dict[int, ResultLine] = {}
    troubles: list[Exception] = []
    turns = asyncio.Semaphore(_MAX_IN_FLIGHT)
    try:
        with progress(kk) as meter:

            def done(place: int, line: ResultLine) -> None:
                lines[place] = line
                result_file.write(line)
                meter(PageDone(what="orders", rows=1, rows_done=len(lines), rows_total=len(found)))

            async def send(place: int, wait: float | None) -> None:
                async with turns:
                    if troubles:
                        return
                    line, trouble = await _submit(kk, orders[place], journal, timeout=wait)
                if trouble is not None:
                    troubles.append(trouble)
                if line.result == _UNKNOWN and wait is not None:
                    unknown[place] = line
                else:
                    done(place, line)

            # All of them without waiting for the quiet time of any; then those left, which share one search.
            await gather_in_order(partial(send, place, 0.0) for place in orders)
            turns = asyncio.Semaphore(max(1, len(unknown)))
            await gather_in_order(partial(send, place, None) for place in unknown)
            for place in [place for place in orders if place not in lines]:
                stopped = ResultLine(custom_order_id=found[place].custom_order_id, result=_NOT_SENT)
                done(place, unknown.get(place, stopped))
    except asyncio.CancelledError:
        say(f"stopped after {len(lines)} of {len(found)} orders; run it again with the same journal")
        raise
    return [lines[place] for place in sorted(lines)], troubles[0] if troubles else None


async def _submit(
    kk: KakaClo,
    order: NewOrder,
    journal: "Journal",
    timeout: float | None,  # noqa: ASYNC109 - of the search
) -> tuple[ResultLine, Exception | None]:
    """Submit an order; return what became of it, and what all other orders would meet, too."""
    line = partial(ResultLine, custom_order_id=order.custom_order_id or "")
    try:
        created = await kk.bulk().orders.submit(order, journal=journal, timeout=timeout)
    except Unauthorized as error:
        return line(result="not placed", reason=str(error)), error
    except OutcomeUnknown as error:
        cause = error.__cause__
        return line(result=_UNKNOWN, order_id=error.order_id, reason=sentence(error)), (
            cause if isinstance(cause, ConfigurationError) else None  # it could not be recorded
        )
    except Rejected as error:
        return line(result="rejected", reason=str(error)), None
    except Conflict as error:
        return line(result="conflict", reason=str(error)), None
    except ConfigurationError as error:
        return await _recorded(order, journal, error), error
    except KakaCloError as error:
        return line(result="not placed", reason=str(error)), None
    except Exception as error:  # noqa: BLE001 - it must not hide what became of the others
        trouble = KakaCloError(fault(error))
        return await _recorded(order, journal, trouble), trouble
    return line(result=_PLACED, order_id=created.id), None


async def _recorded(order: NewOrder, journal: "Journal", error: KakaCloError) -> ResultLine:
    """Return what the journal knows of an order whose submission ended in an error that does not tell."""
    line = partial(ResultLine, custom_order_id=order.custom_order_id or "", reason=str(error))
    try:
        entry = await journal.find(order.custom_order_id or "")
    except KakaCloError:
        return line(result=_UNKNOWN)
    if entry is None:
        return line(result="not placed")
    return line(result=_PLACED if entry.outcome else _UNKNOWN, order_id=entry.outcome)
