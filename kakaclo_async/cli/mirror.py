"""The command `mirror`: the catalog into a database."""

import asyncio
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from kakaclo_async import ConfigurationError, InvalidRequest, KakaClo, KakaCloError
from kakaclo_async.cli.arguments import read_time
from kakaclo_async.cli.database import DB, DEFAULT_DB
from kakaclo_async.cli.errors import say
from kakaclo_async.cli.output import Answer, Table
from kakaclo_async.cli.progress import Meter, progress

if TYPE_CHECKING:
    from kakaclo_async.catalog import Mirror, MirrorReport


async def mirror(
    kk: KakaClo,
    *,
    db: Annotated[str, DB] = DEFAULT_DB,
    since: Annotated[
        str | None, typer.Option(help="Only what was updated since this ISO 8601 time.", metavar="TIME")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until Ctrl-C or SIGTERM, which end it with code 0.")
    ] = False,
    every: Annotated[
        float, typer.Option(help="With --follow: seconds from the start of one cycle to the next.", min=1)
    ] = 60.0,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read everything again, repair it, and mark what is gone.")
    ] = False,
) -> Answer:
    """Pull products, SKUs and stock into a database; run it again to go on, or to catch up."""
    from kakaclo_async.catalog import Mirror

    start = None if since is None else read_time(since, "--since")
    if verify and (follow or since):
        raise InvalidRequest("--verify reads everything once: leave out --since and --follow")
    try:
        with progress(kk) as meter:
            if follow:
                totals = _Totals(meter)
                return await _follow(Mirror(kk, db, progress=totals), totals, start, every)
            copy = Mirror(kk, db, progress=meter.report)
            report = await (copy.verify() if verify else copy.run(since=start))
    except asyncio.CancelledError:
        say("stopped; run it again to go on from here")
        raise
    except ConfigurationError as error:
        if not kk.stats().requests:
            raise
        raise KakaCloError(f"{error}; what was stored stays: run it again to go on") from error
    return _answer(report)


class _Totals:
    """Adds up the cycles of a mirror that follows.

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


async def _follow(copy: "Mirror", totals: _Totals, since: datetime | None, every: float) -> Answer:
    await copy.follow(every, since=since, stop_on_signals=True)
    facts = list(totals.counts.items())
    return Answer(data=totals.counts, tables=(Table(("cycles", str(facts[0][1])), facts[1:]),))


def _answer(report: "MirrorReport") -> Answer:
    facts = [
        ("SKUs", report.skus),
        ("stock of SKUs", report.stock),
        ("changes", report.changes),
        ("requests", report.requests),
        ("requests made again", report.rereads),
        ("rows set aside", report.undecodable),
        ("gone", report.gone),
        ("gaps", len(report.gaps)),
        ("seconds", round(report.seconds)),
    ]
    if report.undecodable:
        sys.stderr.write(
            f"warning: {report.undecodable} rows could not be read; their texts are in mirror_undecodable\n"
        )
    gaps = [KakaCloError(f"{gap.endpoint} {gap.window} may lack rows: run it again") for gap in report.gaps]
    return Answer(data=report, tables=(Table(("products", str(report.products)), facts),), errors=tuple(gaps))
