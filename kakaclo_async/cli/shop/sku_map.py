"""The command `orders map`: a map from the shop's SKUs to KakaClo's is written, to be filled in."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from kakaclo_async import InvalidRequest
from kakaclo_async.cli.mirror import DB, usual_db
from kakaclo_async.cli.output import STDOUT, Result, Table, show
from kakaclo_async.cli.shop.check import OrdersFile
from kakaclo_async.cli.values import run_async
from kakaclo_async.shop import guess_map, read_orders, write_map
from kakaclo_async.shop.incoming.guess import MapRow


def map_skus(
    file: OrdersFile,
    *,
    db: Annotated[str | None, DB] = None,
    out: Annotated[
        Path, typer.Option(help="Where to write it; it must not exist. - is stdout.", metavar="FILE")
    ] = Path("map.csv"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON about it.")] = False,
) -> None:
    """Write a map from the shop's SKUs to KakaClo's, to be filled in; it needs a mirror, and no token.

    KakaClo's SKU is guessed where the mirror in --db, or in catalog.db, has the same but for signs and capitals. An SKU
    that stays empty says that the goods are not KakaClo's.
    """
    found = read_orders(file)
    where = db or usual_db()
    known = () if where is None else run_async(_mirrored_skus(where))
    if not known:  # a map of nothing but empty fields would stand in the way of the one that is meant
        place = "here" if where is None else "in the database"
        raise InvalidRequest(
            f"no catalog is {place} to guess from, so no map was written: run kakaclo mirror first, or give --db"
        )
    rows = guess_map(found, known)
    if out == STDOUT:
        write_map(rows, sys.stdout)
        sys.stdout.flush()
    else:
        _write_new(rows, out)
    unfilled = sum(not row.sku for row in rows)
    if out != STDOUT:
        facts = [("guessed", len(rows) - unfilled), ("to fill in", unfilled), ("map in", out)]
        data = {"file": str(out), "goods": len(rows), "unfilled": unfilled}
        show(Result(data=data, tables=(Table(("Goods", str(len(rows))), facts),)), as_json=as_json)
    if unfilled:
        sys.stderr.write(
            f"{unfilled} of {len(rows)} in {out} have no sku: fill them in; what stays empty is taken for goods"
            " that are not KakaClo's, and is not sent\n"
        )


def _write_new(rows: Iterable[MapRow], out: Path) -> None:
    try:
        with out.open("x", encoding="utf-8", newline="") as target:
            try:
                write_map(rows, target)
                target.flush()
            except OSError:
                out.unlink()
                raise
    except FileExistsError:
        raise InvalidRequest(f"{out} is there already: name another file with --out") from None
    except OSError as error:
        raise InvalidRequest(f"{out} cannot be written: {error.strerror}") from None


async def _mirrored_skus(db: str) -> Sequence[str]:
    from sqlalchemy import select

    from kakaclo_async.catalog import schema
    from kakaclo_async.catalog.database import MirrorDatabase

    async with MirrorDatabase(db).reading() as connection:
        return [sku for (sku,) in await connection.execute(select(schema.sku.c.sku))]
