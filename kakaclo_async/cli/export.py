"""The command `export`: a mirror's database as files, for people, programs and shops."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from kakaclo_async import InvalidRequest
from kakaclo_async.cli.mirror import DB, DEFAULT_DB
from kakaclo_async.cli.output import STDOUT, Result, Table, refuse_database, show
from kakaclo_async.cli.shop.listings import SHOPS_FILES, explain_price, shops_file, show_listing
from kakaclo_async.cli.values import country as country_codes, one_of, run_async

_FOR_SHOPS = "For shops, with --for"


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


def export(  # noqa: PLR0917 - options, which typer gives by name
    db: Annotated[str, DB] = DEFAULT_DB,
    format: Annotated[  # noqa: A002 - its name on the command line
        str | None,
        typer.Option(
            help="Kind of file; by default as --out ends, or csv.",
            metavar="[csv|jsonl|parquet]",
            autocompletion=one_of(["csv", "jsonl", "parquet"]),
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
    target: Annotated[
        str | None,
        typer.Option(
            "--for",
            help="Write the file that a shop reads instead.",
            metavar="[shopify|shopify-inventory|woocommerce|google]",
            autocompletion=one_of(SHOPS_FILES),
            show_default=False,
            rich_help_panel=_FOR_SHOPS,
        ),
    ] = None,
    only: Annotated[
        Path | None,
        typer.Option(
            help="Only the SKUs and SPUs of this file: one a line, or a column sku or spu.",
            metavar="FILE",
            rich_help_panel=_FOR_SHOPS,
        ),
    ] = None,
    category: Annotated[
        str | None,
        typer.Option(help="Only what is in this category: Women/Bottoms.", rich_help_panel=_FOR_SHOPS),
    ] = None,
    country: Annotated[
        str | None,
        typer.Option(
            help="Promise what lies in this country's warehouses alone.",
            metavar="CODE",
            autocompletion=country_codes,
            rich_help_panel=_FOR_SHOPS,
        ),
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(
            help="How prices are made: 'x2.5 +3 end .99 min-margin 4', or a file of rules.",
            metavar="RULE|FILE",
            show_default="as KakaClo's",
            rich_help_panel=_FOR_SHOPS,
        ),
    ] = None,
    buffer: Annotated[
        int | None,
        typer.Option(help="Pieces of each SKU to keep back.", min=0, rich_help_panel=_FOR_SHOPS),
    ] = None,
    vendor: Annotated[
        str | None,
        typer.Option(help="For Shopify.", show_default="KakaClo", rich_help_panel=_FOR_SHOPS),
    ] = None,
    location: Annotated[
        str | None,
        typer.Option(
            help="For Shopify's inventory: the shop's name of the place where the stock lies.",
            show_default="KakaClo",
            rich_help_panel=_FOR_SHOPS,
        ),
    ] = None,
    link: Annotated[
        str | None,
        typer.Option(
            help="For Google: https://shop.example/products/{handle}, or with {spu} or {sku}.",
            metavar="URL",
            rich_help_panel=_FOR_SHOPS,
        ),
    ] = None,
    for_spreadsheet: Annotated[
        bool,
        typer.Option(
            "--for-spreadsheet",
            help="For looking at it: a ' before what would run as a formula. Shops would show the '.",
            rich_help_panel=_FOR_SHOPS,
        ),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Say on stderr how each price is made, and why a SKU is left out.",
            rich_help_panel=_FOR_SHOPS,
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON about the files.")] = False,
) -> None:
    """Write products, SKUs, stock or changes to files, or what a shop reads; it needs no token."""
    settings = {"vendor": vendor, "location": location, "link": link}
    given = {
        "only": only, "category": category, "country": country, "price": price, "buffer": buffer,
        "for-spreadsheet": for_spreadsheet or None, "explain": explain or None, **settings,
    }  # fmt: skip
    names = [f"--{name}" for name, value in given.items() if value is not None]
    if target is None and names:
        raise InvalidRequest(f"{', '.join(names)} needs --for: say which shop reads the file")
    if target is not None:
        if what or format:
            raise InvalidRequest(f"--for {target} has one kind of file: leave out --what and --format")
        from kakaclo_async.shop import Settings, export_listings

        rule = Path(price) if price and is_file(price) else price
        path = shops_file(target, out, (only, rule), as_json=as_json)
        listing = export_listings(
            db,
            sys.stdout.buffer if path == STDOUT else path,
            target=target,
            only=only,
            category=category,
            country=country,
            price=rule,
            buffer=buffer or 0,
            for_spreadsheet=for_spreadsheet,
            explain=explain_price if explain else None,
            settings=Settings(**{name: text for name, text in settings.items() if text is not None}),
        )
        show_listing(run_async(listing), path, as_json=as_json)
        return
    wanted = list(dict.fromkeys(what or (What.PRODUCTS, What.SKUS, What.STOCK)))
    if out == STDOUT:
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


async def _write(
    targets: Iterable[tuple[Path | BinaryIO, What]], db: str, kind: str | None
) -> dict[str, int]:
    from kakaclo_async.catalog import export as write

    return {str(target): await write(db, what.table, target, format=kind) for target, what in targets}


def is_file(text: str) -> bool:
    """Whether a text is the path of a file."""
    with suppress(OSError, ValueError):
        return Path(text).is_file()
    return False
