"""The command `mirror`: the catalog into a database."""

import asyncio
from typing import Annotated

import typer

from kakaclo_async import KakaClo, KakaCloError
from kakaclo_async.cli.arguments import read_time
from kakaclo_async.cli.errors import say
from kakaclo_async.cli.output import Answer, Table
from kakaclo_async.cli.progress import progress

__all__ = ["mirror"]


async def mirror(
    kk: KakaClo,
    *,
    db: Annotated[
        str, typer.Option(help="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.", metavar="URL")
    ] = "sqlite:///catalog.db",
    since: Annotated[
        str | None, typer.Option(help="Only what was updated since this ISO 8601 time.", metavar="TIME")
    ] = None,
) -> Answer:
    """Pull products, SKUs and stock into a database; run it again to go on, or to catch up."""
    from kakaclo_async.catalog import Mirror

    start = None if since is None else read_time(since, "--since")
    try:
        with progress(kk):
            report = await Mirror(kk, db).run(since=start)
    except asyncio.CancelledError:
        say("stopped; run it again to go on from here")
        raise
    facts = [
        ("SKUs", report.skus),
        ("stock of SKUs", report.stock),
        ("changes", report.changes),
        ("requests", report.requests),
        ("requests made again", report.rereads),
        ("rows set aside", report.undecodable),
        ("gaps", len(report.gaps)),
        ("seconds", round(report.seconds)),
    ]
    gaps = [KakaCloError(f"{gap.endpoint} {gap.window} may lack rows: run it again") for gap in report.gaps]
    return Answer(data=report, tables=(Table(("products", str(report.products)), facts),), errors=tuple(gaps))
