"""Mirror the whole catalog into catalog.db; run it again, and only what has changed is pulled."""

import asyncio
import sys

from shop import open_shop

from kakaclo_async.catalog import Mirror, MirrorReport


def show(report: MirrorReport) -> None:
    """Show how far the mirror has come."""
    print(f"{report.products} products, {report.skus} SKUs, {report.rows_left} rows to go", file=sys.stderr)


async def main() -> None:
    """Mirror, then print a report."""
    async with open_shop() as kk:
        report = await Mirror(kk, "sqlite:///catalog.db", progress=show).run()
    print(f"{report.products} products and {report.skus} SKUs with {report.requests} requests")
    for gap in report.gaps:
        print(f"{gap.endpoint} {gap.window} kept moving; the next run reads it again")


asyncio.run(main())
