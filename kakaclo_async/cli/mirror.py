"""The commands `mirror`, `status` and `changes`: the catalog in a database, what it holds, and what happens to it."""

import asyncio
import errno
import io
import json
import select
import sys
from collections.abc import Collection
from contextlib import aclosing, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kakaclo_async import ConfigurationError, DatabaseAway, InvalidRequest, KakaClo, KakaCloError
from kakaclo_async.cli.command import say
from kakaclo_async.cli.output import Result, Table, cell, show
from kakaclo_async.cli.progress import Meter, progress
from kakaclo_async.cli.values import country as country_codes, read_time, run_async
from kakaclo_async.codec import to_json

if TYPE_CHECKING:
    from kakaclo_async.catalog import Change, MirrorReport

DB = typer.Option(
    "--db", help="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.", metavar="URL", envvar="KAKACLO_DB"
)
DEFAULT_DB = "sqlite:///catalog.db"

_LARGEST_ID = 2**63 - 1
_LONGEST_PAUSE = 86_400.0


def usual_db() -> str | None:
    """Return the database of this folder, if it is there."""
    return DEFAULT_DB if Path(DEFAULT_DB.removeprefix("sqlite:///")).is_file() else None


async def mirror(
    kk: KakaClo,
    *,
    db: Annotated[str, DB] = DEFAULT_DB,
    since: Annotated[
        str | None, typer.Option(help="Only what was updated since this ISO 8601 time.", metavar="TIME")
    ] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Keep it fresh until Ctrl-C or SIGTERM, which end it with code 0."),
    ] = False,
    every: Annotated[
        float, typer.Option(help="With --follow: seconds from the start of one cycle to the next.", min=1)
    ] = 60.0,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read everything again, repair it, and look for what is gone.")
    ] = False,
) -> Result:
    """Pull products, SKUs and stock into a database; run it again to continue, or to catch up."""
    from kakaclo_async.catalog import Mirror

    start = None if since is None else read_time(since, "--since")
    if verify and (follow or since):
        raise InvalidRequest("--verify reads everything once: leave out --since and --follow")
    try:
        with progress(kk) as meter:
            if follow:
                totals = _Totals(meter)
                await Mirror(kk, db, progress=totals).follow(every, since=start, stop_on_signals=True)
                return totals.result()
            copy = Mirror(kk, db, progress=meter.report)
            report = await (copy.verify() if verify else copy.run(since=start))
    except asyncio.CancelledError:
        say("stopped; run it again to continue from here")
        raise
    except ConfigurationError as error:
        if not kk.stats().requests:
            raise
        raise KakaCloError(f"{error}; what was stored stays: run it again to continue") from error
    return _result(report)


class _Totals:
    """Adds up the cycles of `--follow`.

    Args:
        meter: shows each of them.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.counts = dict.fromkeys(("cycles", "products", "skus", "stock", "changes", "requests"), 0)

    def __call__(self, report: "MirrorReport") -> None:
        self._meter.report(report)
        if report.finished:
            self.counts["cycles"] += 1
            for name in list(self.counts)[1:]:
                self.counts[name] += getattr(report, name)
            self._meter.cycle(report)

    def result(self) -> Result:
        """Return the sums."""
        cycles, *facts = self.counts.items()
        return Result(data=self.counts, tables=(Table(("cycles", str(cycles[1])), facts),))


def _result(report: "MirrorReport") -> Result:
    facts = [
        ("SKUs", report.skus),
        ("stock of SKUs", report.stock),
        ("changes", report.changes),
        ("requests", report.requests),
        ("re-reads", report.rereads),
        ("undecodable rows", report.undecodable),
        ("products gone", report.gone),
        ("products missing, asked for again by a later run", report.missing),
        ("gaps", len(report.gaps)),
        ("seconds", round(report.seconds)),
    ]
    if report.undecodable:
        sys.stderr.write(
            f"warning: {report.undecodable} rows could not be decoded; the table mirror_undecodable has their texts\n"
        )
    if report.unbelieved:
        sys.stderr.write(
            f"warning: {report.unbelieved} products seem to be gone at once, and none was marked: is the index whole?\n"
        )
    gaps = [
        KakaCloError(
            f"{gap.endpoint} {gap.window} may lack rows: run it again"
            + (f" ({gap.reason})" if gap.reason else "")
        )
        for gap in report.gaps
    ]
    return Result(data=report, tables=(Table(("products", str(report.products)), facts),), errors=tuple(gaps))


def status(
    db: Annotated[str, DB] = DEFAULT_DB,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a mirror's database holds, and up to when; it needs no token, and may run during a mirror."""
    from kakaclo_async.catalog.database import MirrorDatabase

    found = run_async(MirrorDatabase(db).status())
    facts = [
        ("SKUs", found.skus),
        ("stock rows", found.stock),
        ("last change", found.last_change),
        ("undecodable rows", found.undecodable),
        ("products until", found.products_until),
        ("stock until", found.stock_until),
        *((f"gap in {gap.endpoint}", str(gap.window)) for gap in found.gaps),
    ]
    show(Result(data=found, tables=(Table(("products", str(found.products)), facts),)), as_json=as_json)


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
        typer.Option("--follow", help="Wait for more until Ctrl-C or SIGTERM, which end it with code 0."),
    ] = False,
    every: Annotated[float, typer.Option(help="With --follow: seconds between two looks.", min=0.1)] = 5.0,
    listed: Annotated[
        Path | None,
        typer.Option(
            help="Only what concerns the SKUs and SPUs of this file: one a line, or a column sku or spu.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    country: Annotated[
        str | None,
        typer.Option(
            help="Stock in this country's warehouses alone, as it can be sold.",
            metavar="CODE",
            autocompletion=country_codes,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document per line.")] = False,
) -> None:
    """Print what changed, oldest first; it needs no token, and may run during a mirror."""
    from kakaclo_async.shop import read_codes

    only = None if listed is None else read_codes(listed)
    with suppress(KeyboardInterrupt, asyncio.CancelledError) if follow else nullcontext():
        run_async(_print_all(db, after, every if follow else None, only, country, as_json=as_json))


async def _print_all(
    db: str,
    after: int,
    every: float | None,
    only: Collection[str] | None,
    country: str | None,
    *,
    as_json: bool,
) -> None:
    from kakaclo_async.catalog.database import MirrorDatabase

    database = MirrorDatabase(db)
    passing: tuple[type[Exception], ...] = ()  # the first look must work
    while True:
        with suppress(*passing):
            async with aclosing(database.changes(after, country=country, only=only)) as found:
                async for change in found:
                    _print(change, as_json=as_json)
                    after = change.id
        if every is None:
            return
        passing = (DatabaseAway,)
        await asyncio.sleep(min(max(0.1, every), _LONGEST_PAUSE))
        if _reader_has_gone():
            raise BrokenPipeError(errno.EPIPE, "the reader has closed the pipe")


def _print(change: "Change", *, as_json: bool) -> None:
    if as_json:
        line = json.dumps(to_json(change), ensure_ascii=False)
    else:
        what = f"{cell(change.old)} -> {cell(change.new)}" if (change.old, change.new) != (None, None) else ""
        code = cell(change.sku or change.spu)
        where = f"  in {change.country}" if change.country else ""
        line = f"{change.id:>8}  {cell(change.at)}  {change.kind:<15}  {code:<24}  {what}{where}".rstrip()
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # the reader may act on this one now


def _reader_has_gone() -> bool:
    """Whether the other end of the pipe was closed, which a writer with nothing to write does not notice."""
    with suppress(io.UnsupportedOperation, AttributeError):  # no file, or no poll, as on Windows
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(flags & (select.POLLERR | select.POLLHUP) for _, flags in poll.poll(0))
    return False
