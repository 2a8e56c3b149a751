"""The command `orders tracking`: the tracking numbers that a shop was not told of yet, as a file that it reads."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import attrs
import typer

from kakaclo_async import InvalidRequest, KakaClo, KakaCloError
from kakaclo_async.cli.output import STDOUT, Result, Table, one_line, print_table
from kakaclo_async.cli.progress import progress
from kakaclo_async.cli.shop.check import Prefix, SkuMapFile
from kakaclo_async.cli.shop.journal import JournalUrl, open_journal
from kakaclo_async.cli.values import one_of, read_time

if TYPE_CHECKING:
    from kakaclo_async.shop import TrackingReport


_FILES: Final = {
    "matrixify": "Orders_tracking.csv",
    "amazon": "amazon_tracking.txt",
    "woo-ast": "woo_tracking.csv",
    "csv": "tracking.csv",
}
_UNKNOWN: Final = "it does not know what a shop was told before"
_QUIET_TIME: Final = 600.0  # nothing is sent that could be in doubt


async def tracking(
    kk: KakaClo,
    context: typer.Context,
    *,
    target: Annotated[
        str,
        typer.Option(
            "--for",
            help=f"For whom: {', '.join(_FILES)}.",
            metavar="TARGET",
            autocompletion=one_of(_FILES),
        ),
    ],
    since: Annotated[
        str | None,
        typer.Option(
            help="Ask for orders that changed since then, ISO 8601 with its zone; by default 30 days ago, or before the"
            " last time that something was told, if that is longer ago.",
            metavar="TIME",
            show_default=False,
        ),
    ] = None,
    orders: Annotated[
        Path | None,
        typer.Option(
            help="The shop's file of orders, as it was submitted: only these are told. Amazon needs it.",
            metavar="FILE",
        ),
    ] = None,
    sku_map: SkuMapFile = None,
    prefix: Prefix = "",
    out: Annotated[
        Path | None,
        typer.Option(
            help="A new file, or a folder for it; if it exists, the next free name; - for standard output.",
            metavar="PATH",
        ),
    ] = None,
    journal: JournalUrl = None,
    again: Annotated[bool, typer.Option("--again", help="Tell also what was told before.")] = False,
) -> Result:
    """Write the tracking numbers that a shop was not told of yet, a row for each item in a package.

    The journal keeps what was told, for each kind of file: however often it runs, and wherever it is stopped, each is
    in one file. If there is nothing to tell, no file is written. The exit code is 1 if a number cannot be told; it is
    told once that is mended.

    matrixify is for Shopify, woo-ast for WooCommerce's Advanced Shipment Tracking, amazon for Amazon's shipping
    confirmation, and csv has every field.
    """
    from kakaclo_async.shop import tell_tracking

    path = _file(target, out)
    if path == STDOUT and context.params.get("as_json"):
        raise InvalidRequest("--json tells about a file: give --out a file instead of -")
    moment = None if since is None else read_time(since, "--since")
    book, _ = await open_journal(kk, journal, _QUIET_TIME, make=True, news=_UNKNOWN)
    with progress(kk):
        report = await tell_tracking(
            kk,
            book,
            sys.stdout.buffer if path == STDOUT else path,
            target=target,
            since=moment,
            orders=orders,
            sku_map=sku_map,
            prefix=prefix,
            again=again,
        )
    return _result(report, target, path)


def _file(target: str, out: Path | None) -> Path:
    """Return the file that is wished for.

    Raises:
        InvalidRequest: it is no file, or there is no such target.
    """
    if target not in _FILES:
        raise InvalidRequest(f"--for must be one of {', '.join(_FILES)}, not {target!r}")
    if out is not None and out == STDOUT:
        return out
    path = (out or Path()) / _FILES[target] if out is None or out.is_dir() else out
    if path.exists() and not path.is_file():
        raise InvalidRequest(
            f"--out {path} is there, and no file: name another one, or - for standard output"
        )
    if not path.absolute().parent.is_dir():
        raise InvalidRequest(f"--out {path} cannot be written: its folder is not there")
    return path


def _result(report: "TrackingReport", target: str, path: Path) -> Result:
    for note in report.notes:
        sys.stderr.write(f"note: {one_line(note)}\n")
    if not report.rows:
        sys.stderr.write(
            f"nothing new to tell of orders that changed since {report.since:%Y-%m-%d %H:%M:%SZ}: no file is written\n"
        )
    packages = [("rows", len(report.rows)), ("numbers that cannot be told", len(report.problems))]
    table = Table(
        (f"Tracking for {target}", ""),
        [*packages, *([("written to", report.file)] if report.file is not None else [])],
    )
    if path == STDOUT:  # it holds the file alone
        if report.rows:
            print_table(table, sys.stderr)
        tables: tuple[Table, ...] = ()
    else:
        tables = (table,)
    return Result(
        data={**attrs.asdict(report), "file": None if report.file is None else str(report.file)},
        tables=tables,
        errors=tuple(KakaCloError(problem) for problem in report.problems),
        done=(f"{len(report.rows)} rows are written to {report.file}",) if report.file is not None else (),
    )
