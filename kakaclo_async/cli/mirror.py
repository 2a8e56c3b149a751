"""The commands `mirror` and `status`: the catalog in a database, and what it holds."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from kakaclo_async import ConfigurationError, InvalidRequest, KakaClo, KakaCloError
from kakaclo_async.cli.command import read_time, run_async, say
from kakaclo_async.cli.output import Result, Table, show
from kakaclo_async.cli.progress import Meter, progress

if TYPE_CHECKING:
    from kakaclo_async.catalog import MirrorReport

DB = typer.Option(
    "--db", help="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.", metavar="URL", envvar="KAKACLO_DB"
)
DEFAULT_DB = "sqlite:///catalog.db"


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
