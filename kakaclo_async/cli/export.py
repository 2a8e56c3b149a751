"""The command `export`: the tables of a mirror as files."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kakaclo_async import InvalidRequest
from kakaclo_async.cli.command import run_async
from kakaclo_async.cli.database import DB, DEFAULT_DB
from kakaclo_async.cli.output import Answer, Table, show

_STDOUT = Path("-")


class What(StrEnum):
    """What can be exported."""

    PRODUCTS = "products"
    SKUS = "skus"
    STOCK = "stock"
    CHANGES = "changes"


class Format(StrEnum):
    """Kinds of files."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


_TABLES = {What.PRODUCTS: "product", What.SKUS: "sku", What.STOCK: "stock", What.CHANGES: "change"}


def export(
    db: Annotated[str, DB] = DEFAULT_DB,
    format: Annotated[  # noqa: A002 - its name on the command line
        Format | None,
        typer.Option(help="Kind of file; without it as --out ends, or csv.", show_default=False),
    ] = None,
    what: Annotated[
        list[What] | None,
        typer.Option(help="Give it again for more; without it products, skus and stock.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A file, - for stdout, or a folder for files named after --what; without it this folder.",
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON about the files.")] = False,
) -> None:
    """Write products, SKUs, stock or changes to files; it needs no token, and may run beside the mirror."""
    wanted = list(dict.fromkeys(what or (What.PRODUCTS, What.SKUS, What.STOCK)))
    if out == _STDOUT:
        if len(wanted) > 1 or format is Format.PARQUET:
            raise InvalidRequest("--out - takes one --what, as csv or jsonl")
        run_async(_to_stdout(db, wanted[0], format or Format.CSV))
        return
    files = _files(wanted, format, out)
    rows = run_async(_to_files(db, files))
    answer = Answer(
        data={str(path): count for path, count in rows.items()},
        tables=(Table(("File", "Rows"), [(str(path), count) for path, count in rows.items()]),),
    )
    show(answer, as_json=as_json)


def _files(wanted: list[What], kind: Format | None, out: Path | None) -> dict[Path, tuple[What, Format]]:
    if out is None or out.is_dir():
        kind = kind or Format.CSV
        return {(out or Path()) / f"{each}.{kind}": (each, kind) for each in wanted}
    if len(wanted) > 1:
        raise InvalidRequest(f"--out {out} is no folder: give one --what, or a folder that exists")
    ending = out.suffix.removeprefix(".").lower()
    if kind is None and ending not in set(Format):
        raise InvalidRequest(f"--out {out} does not tell the format: give --format")
    return {out: (wanted[0], kind or Format(ending))}


async def _to_files(db: str, files: dict[Path, tuple[What, Format]]) -> dict[Path, int]:
    from kakaclo_async.catalog.export import export as write

    return {path: await write(db, _TABLES[what], path, format=kind) for path, (what, kind) in files.items()}


async def _to_stdout(db: str, what: What, kind: Format) -> None:
    from kakaclo_async.catalog.export import export as write

    await write(db, _TABLES[what], sys.stdout.buffer, format=kind)
