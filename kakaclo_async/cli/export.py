"""The commands `export` and `changes`: a mirror's database as files, and as a stream for other programs."""

import asyncio
import errno
import io
import json
import select
import sys
from collections.abc import Iterable
from contextlib import aclosing, nullcontext, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from kakaclo_async import DatabaseAway, InvalidRequest
from kakaclo_async.cli.command import run_async
from kakaclo_async.cli.mirror import DB, DEFAULT_DB
from kakaclo_async.cli.output import Result, Table, cell, show
from kakaclo_async.codec import to_json

if TYPE_CHECKING:
    from kakaclo_async.catalog import Change


_STDOUT = Path("-")
_LARGEST_ID = 2**63 - 1
_LONGEST_PAUSE = 86_400.0


class What(StrEnum):
    """What can be exported."""

    PRODUCTS = "products"
    SKUS = "skus"
    STOCK = "stock"
    CHANGES = "changes"

    @property
    def table(self) -> str:
        """The table in the database, whose name is the singular."""
        return self.value.removesuffix("s")


def export(
    db: Annotated[str, DB] = DEFAULT_DB,
    format: Annotated[  # noqa: A002 - its name on the command line
        str | None,
        typer.Option(
            help="Kind of file; by default as --out ends, or csv.",
            metavar="[csv|jsonl|parquet]",
            show_default=False,
        ),
    ] = None,
    what: Annotated[
        list[What] | None,
        typer.Option(help="May be repeated; by default products, skus and stock.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A file, - for stdout, or a folder for files named after --what; by default this folder.",
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON about the files.")] = False,
) -> None:
    """Write products, SKUs, stock or changes to files; it needs no token, and may run during a mirror."""
    wanted = list(dict.fromkeys(what or (What.PRODUCTS, What.SKUS, What.STOCK)))
    if out == _STDOUT:
        if len(wanted) > 1 or format == "parquet":
            raise InvalidRequest("--out - takes one --what, as csv or jsonl")
        run_async(_write([(sys.stdout.buffer, wanted[0])], db, format or "csv"))
        return
    try:
        files = _files(wanted, format, out)
    except OSError as error:
        raise InvalidRequest(f"--out cannot be written: {error.strerror}") from None
    rows = run_async(_write(files.items(), db, format))
    table = Table(("File", "Rows"), rows.items())
    show(Result(data=rows, tables=(table,)), as_json=as_json)


def _files(wanted: list[What], kind: str | None, out: Path | None) -> dict[Path, What]:
    from kakaclo_async.catalog import ExportFormat

    if out is None or out.is_dir():
        files = {(out or Path()) / f"{each}.{kind or 'csv'}": each for each in wanted}
        for file in files:
            refuse_database(file)
        return files
    if len(wanted) > 1:
        raise InvalidRequest(f"--out {out} is not a folder: give one --what, or a folder that exists")
    if kind is None and out.suffix.removeprefix(".").lower() not in set(ExportFormat):
        raise InvalidRequest(f"--out {out} does not say which format: give --format")
    refuse_database(out)
    return {out: wanted[0]}


def refuse_database(path: Path) -> None:
    """Keep a database from being overwritten, and what SQLite keeps beside one.

    Raises:
        InvalidRequest: it is one.
    """
    from kakaclo_async.database.lock import SQLITE_FILES

    names = (path.name, *(path.name.removesuffix(ending) for ending in SQLITE_FILES))
    for name in dict.fromkeys(names):
        with suppress(OSError):
            file = path.with_name(name)
            with file.open("rb") if file.is_file() else nullcontext() as opened:
                if opened is not None and opened.read(16) == b"SQLite format 3\0":
                    raise InvalidRequest(f"{path} belongs to a database: give another file")


def refuse_other_files(results: Path, orders: Path, journal: str | None) -> None:
    """Keep the results of `orders submit` from its other files, before anything is read or made.

    Raises:
        InvalidRequest: they would be written into another file of the run, or into a database.
    """
    from kakaclo_async.database.lock import is_file_of
    from kakaclo_async.database.url import DatabaseUrl

    try:
        if results.exists() and orders.exists() and results.samefile(orders):
            raise InvalidRequest(f"--results {results} is the file of orders itself: name another file")
        if journal is not None:
            where = DatabaseUrl.parse(journal, holds="journal", example="orders.db")
            if where.is_sqlite and is_file_of(where.path(), results):
                raise InvalidRequest(f"--results {results} belongs to the journal: name another file")
    except OSError as error:
        raise InvalidRequest(f"--results {results} cannot be written: {error.strerror}") from None
    refuse_database(results)


async def _write(
    targets: Iterable[tuple[Path | BinaryIO, What]], db: str, kind: str | None
) -> dict[str, int]:
    from kakaclo_async.catalog import export as write

    return {str(target): await write(db, what.table, target, format=kind) for target, what in targets}


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
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document per line.")] = False,
) -> None:
    """Print what changed, oldest first; it needs no token, and may run during a mirror."""
    with suppress(KeyboardInterrupt, asyncio.CancelledError) if follow else nullcontext():
        run_async(_print_all(db, after, every if follow else None, as_json=as_json))


async def _print_all(db: str, after: int, every: float | None, *, as_json: bool) -> None:
    from kakaclo_async.catalog.database import MirrorDatabase

    database = MirrorDatabase(db)
    passing: tuple[type[Exception], ...] = ()  # the first look must work
    while True:
        with suppress(*passing):
            async with aclosing(database.changes(after)) as found:
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
        line = f"{change.id:>8}  {cell(change.at)}  {change.kind:<15}  {code:<24}  {what}".rstrip()
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # the reader may act on this one now


def _reader_has_gone() -> bool:
    """Whether the other end of the pipe was closed, which a writer with nothing to write does not notice."""
    with suppress(io.UnsupportedOperation, AttributeError):  # no file, or no poll, as on Windows
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(flags & (select.POLLERR | select.POLLHUP) for _, flags in poll.poll(0))
    return False
