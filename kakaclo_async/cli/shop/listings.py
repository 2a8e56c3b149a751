"""What `export --for` writes, and says about it: the files that shops import."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import typer

from kakaclo_async import InvalidRequest
from kakaclo_async.cli.command import FAILED, say
from kakaclo_async.cli.output import STDOUT, Result, Table, one_line, print_table, refuse_database, show

if TYPE_CHECKING:
    from kakaclo_async.shop import ListingReport


SHOPS_FILES = {
    "shopify": "shopify_products.csv",
    "shopify-inventory": "shopify_inventory.csv",
    "woocommerce": "woocommerce_products.csv",
    "google": "google_products.txt",
}
_MOST_NAMED = 5


def shops_file(target: str, out: Path | None, read: Iterable[Path | str | None], *, as_json: bool) -> Path:
    """Return the file to write for a shop.

    Raises:
        InvalidRequest: it is one that is read, or belongs to a database; or no such shop is known.
    """
    if target not in SHOPS_FILES:
        raise InvalidRequest(f"--for must be one of {', '.join(SHOPS_FILES)}, not {target!r}")
    if out is not None and out == STDOUT:
        if as_json:
            raise InvalidRequest("--json tells about a file: give --out a file instead of -")
        return STDOUT
    try:
        path = (out or Path()) / SHOPS_FILES[target] if out is None or out.is_dir() else out
        for other in read:
            if isinstance(other, Path) and path.exists() and other.exists() and path.samefile(other):
                raise InvalidRequest(f"--out {path} is a file that is read for it: name another one")
    except OSError as error:
        raise InvalidRequest(f"--out cannot be written: {error.strerror}") from None
    refuse_database(path)
    return path


def explain_price(line: str) -> None:
    """Say on stderr how a price is made."""
    sys.stderr.write(f"{one_line(line)}\n")


def show_listing(report: "ListingReport", path: Path, *, as_json: bool) -> None:
    """Print what was listed, and what was not.

    Raises:
        typer.Exit: some of what was asked for was not found.
    """
    facts = [
        ("SKUs", report.skus),
        ("rows", report.rows),
        *((f"left out: {why}", count) for why, count in report.left_out.items()),
        ("codes that the mirror does not know", len(report.unknown)),
        *(() if path == STDOUT else [("written to", path)]),
    ]
    table = Table(("products", str(report.products)), facts)
    if path == STDOUT:
        print_table(table, sys.stderr)
    else:
        show(Result(data={"file": str(path), **attrs.asdict(report)}, tables=(table,)), as_json=as_json)
    if report.unknown:
        named = ", ".join(report.unknown[:_MOST_NAMED]) + (
            ", ..." if len(report.unknown) > _MOST_NAMED else ""
        )
        say(one_line(f"{len(report.unknown)} of the codes of --only are not in the mirror: {named}"))
    if not report.products:
        say("nothing is listed: look at --only and --category, and at what is left out")
    if report.unknown or not report.products:
        raise typer.Exit(FAILED)
