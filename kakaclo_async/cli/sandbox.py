"""The commands `sandbox` and `demo`: a local KakaClo for other programs, and one that shows everything once."""

import asyncio
import logging
import sqlite3
import sys
import time
from contextlib import aclosing, closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from kakaclo_async import (
    Address,
    ConfigurationError,
    DeadlineExceeded,
    FreightRequest,
    Item,
    KakaClo,
    NewOrder,
    NotFound,
    Order,
    RateLimit,
    RefundStatus,
)
from kakaclo_async.cli import values
from kakaclo_async.cli.catalog import freight_table
from kakaclo_async.cli.command import FAILED, say
from kakaclo_async.cli.orders_shown import order_tables
from kakaclo_async.cli.output import Table, print_tables
from kakaclo_async.cli.progress import progress
from kakaclo_async.cli.shop.journal import earlier_journal
from kakaclo_async.transport.endpoint import is_loopback

if TYPE_CHECKING:
    from kakaclo_async.sandbox import Sandbox


_MOST = 1_000_000  # products: they are made in memory
_COUNTRIES = ("US", "FR", "GB")
_PIECES = 3
_PATIENCE = 60.0  # seconds for what takes a few

_ADDRESS = Address(
    country="US",
    province="California",
    recipient="A. Customer",
    phone="555 0100",
    street1="1 Main St",
    city="Los Angeles",
    zip="90001",
)

_MARK = 0x4B4B4C44  # the `application_id` of SQLite files that a demo has written and may replace

_A_SKU_OF_EACH_COUNTRY = """
    SELECT country_code, min(sku) FROM (
        SELECT sku.sku, min(stock.country_code) AS country_code
        FROM sku JOIN stock ON stock.sku = sku.sku
        WHERE sku.sku_status = 1
        GROUP BY sku.sku
        HAVING min(stock.country_code) = max(stock.country_code) AND sum(stock.qty) >= ?
    ) GROUP BY country_code
"""


def sandbox(
    products: Annotated[int, typer.Option(help="Products in its catalog.", min=0, max=_MOST)] = 500,
    port: Annotated[int, typer.Option(help="Port; 0: any free one.", min=0, max=65535)] = 8700,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    speed: Annotated[float, typer.Option(help="Times real speed: rate limit, orders, refunds.")] = 1.0,
    index_lag: Annotated[
        float, typer.Option(help="Seconds by which searches trail what happened.", min=0)
    ] = 300.0,
    moving: Annotated[
        str, typer.Option(help="How it moves: still, calm, busy or backdated.", autocompletion=values.moving)
    ] = "still",
    faults: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SET|KIND=PROBABILITY",
            help="What goes wrong: flaky, slow, overloaded, garbled, or a kind of fault, such as reset_after=0.01.",
            autocompletion=values.faults,
        ),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Write a line for each request on stderr.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed makes the same catalog.")] = 1,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any other setting of the sandbox, such as page_size=20.",
            autocompletion=values.settings,
        ),
    ] = None,
) -> None:
    """Run a local KakaClo until Ctrl-C.

    It prints its URL and token as `export` lines for a shell. With these, the other commands and every client without
    settings of its own talk to it.
    """
    if not speed > 0:
        raise ConfigurationError(f"--speed must be more than 0, not {speed:g}")
    options = {"products": products, "port": port, "host": host, "speed": speed, "seed": seed}
    local = _sandbox(options | {"index_lag": index_lag} | _rates(moving), settings or [])
    _add_faults(local, faults or [])
    if log:
        _write_log()
    with suppress(KeyboardInterrupt, asyncio.CancelledError):  # the only ways to end it
        values.run_async(_serve(local))


async def _serve(sandbox: "Sandbox") -> None:
    from kakaclo_async.board import show_sandbox

    pages = show_sandbox(sandbox)
    try:
        await sandbox.start()
    except OSError as error:
        where = "" if is_loopback(sandbox.host) else f" of {sandbox.host}"
        raise ConfigurationError(f"port {sandbox.port}{where} cannot be used: {error.strerror}") from None
    async with aclosing(sandbox):
        sys.stderr.write(_greeting(sandbox, pages(), earlier_journal(sandbox.url, sandbox.token)))
        sys.stdout.write(f"export KAKACLO_BASE_URL={sandbox.url}\nexport KAKACLO_TOKEN={sandbox.token}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def _greeting(sandbox: "Sandbox", pages: str, journal: str | None = None) -> str:
    """Return what people are told, with the address of its pages, if they answer where it listens."""
    from kakaclo_async.board.guard import HOSTS

    goods = f"{sandbox.products:,} products at {sandbox.speed:g} times real speed"
    lines = [f"local KakaClo with {goods}; stop it with Ctrl-C"]
    if urlsplit(sandbox.url).hostname in HOSTS:
        lines.append(f"look at it in a browser: {pages}")
    if not is_loopback(sandbox.host):
        lines.append("other machines reach it: they need its token, and allow_http=True (--allow-http)")
    if journal:  # its orders would be called placed, and be nowhere
        lines.append(f"{journal} may remember orders of an earlier sandbox, which this one does not know")
    return "".join(f"{line}\n" for line in lines)


def _sandbox(options: dict[str, Any], settings: list[str]) -> "Sandbox":
    from kakaclo_async.sandbox import Sandbox
    from kakaclo_async.sandbox.settings import read_setting

    try:
        Sandbox(**options)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    for text in settings:
        try:
            name, options[name] = read_setting(text)
            Sandbox(**options)  # refuses a value that makes no sense
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"--set {text.partition('=')[0]}: {error.args[0]}") from None
    return Sandbox(**options)


def _rates(moving: str) -> dict[str, float]:
    from kakaclo_async.sandbox.settings import MOVING

    if moving not in MOVING:
        raise ConfigurationError(f"--moving must be one of {', '.join(MOVING)}, not {moving!r}")
    return MOVING[moving]


def _add_faults(sandbox: "Sandbox", texts: list[str]) -> None:
    from kakaclo_async.sandbox.http.faults import read_faults

    for text in texts:
        try:
            for fault in read_faults(text):
                sandbox.faults.add(fault)
        except ValueError as error:
            raise ConfigurationError(f"--faults: {error}") from None


def _write_log() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log = logging.getLogger("kakaclo.sandbox")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def demo(
    products: Annotated[int, typer.Option(help="Products in the local KakaClo.", min=50, max=_MOST)] = 500,
    db: Annotated[
        Path, typer.Option(help="The SQLite file to write; only one of an earlier demo is replaced.")
    ] = Path("demo.db"),
    speed: Annotated[
        float, typer.Option(help="Times real speed of the local KakaClo.", min=1, max=2000)
    ] = 600.0,
) -> None:
    """Mirror a catalog, quote freight, place an order and refund a part of it, all on this machine."""
    _make_room(db)
    if not values.run_async(_show_all(products, db, speed)):
        raise typer.Exit(FAILED)


async def _show_all(products: int, db: Path, speed: float) -> bool:
    from kakaclo_async.sandbox import Sandbox

    started = time.monotonic()
    async with (
        Sandbox(products=products, speed=speed) as sandbox,
        KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=RateLimit(120, 2 * speed)) as kk,
    ):
        complete = await _mirror(kk, sandbox, db)
        cart = _cart_from_two_countries(db)
        await _quote(kk, cart)
        before = await kk.payment.balance()
        order = await _order(kk, cart, sandbox.index_lag / speed)
        split = {item.country_code for item in order.order_items} == {"CN", "US"}
        settled = await _refund(kk, order, before.amount or Decimal(0))
        requests = kk.stats().requests
    sys.stdout.write(
        f"\nDone with {requests:,} requests in {time.monotonic() - started:.1f} s; the catalog is in {db}\n"
        f"Look at it in a browser: kakaclo board --db sqlite:///{db}\n"
    )
    promises = {
        "the database holds what KakaClo holds": complete,
        "the order leaves from two countries": split,
        "the refund settled": settled,
    }
    for promise, kept in promises.items():
        if not kept:
            say(f"this failed: {promise}")
    return all(promises.values())


def _make_room(db: Path) -> None:
    try:
        if db.exists():
            with db.open("rb") as file:
                mark = int.from_bytes(file.read(72)[68:])  # where SQLite keeps the application_id
            if mark != _MARK:
                raise ConfigurationError(f"{db} was not written by a demo: choose another --db")
            for path in (db, *(db.with_name(db.name + part) for part in ("-wal", "-shm", ".lock"))):
                path.unlink(missing_ok=True)
        with closing(sqlite3.connect(db)) as connection:
            connection.execute(f"PRAGMA application_id = {_MARK}")
    except (OSError, sqlite3.Error) as error:
        raise ConfigurationError(f"{db} cannot be written: {error}") from None


async def _mirror(kk: KakaClo, sandbox: "Sandbox", db: Path) -> bool:
    from kakaclo_async.catalog import Mirror

    _heading("1. Mirror the catalog")
    with progress(kk):
        await Mirror(kk, f"sqlite:///{db}").run()
    with closing(sqlite3.connect(db)) as connection:
        mirrored = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - names of our own
            for table in ("product", "sku", "stock")
        ]
    truth = sandbox.catalog
    present = [sum(1 for _ in rows) for rows in (truth.spus(), truth.skus(), truth.stock_rows())]
    rows = zip(("products", "SKUs", "stock rows"), mirrored, present, strict=True)
    print_tables([Table(("Rows", "Database", "KakaClo"), rows)])
    return mirrored == present


def _cart_from_two_countries(db: Path) -> tuple[Item, ...]:
    with closing(sqlite3.connect(db)) as connection:
        skus: dict[str, str] = dict(connection.execute(_A_SKU_OF_EACH_COUNTRY, [_PIECES]).fetchall())
    if not {"CN", "US"} <= skus.keys():
        raise ConfigurationError(
            "this catalog cannot fill an order from two countries: ask for more --products"
        )
    return tuple(Item(skus[country], _PIECES) for country in ("CN", "US"))


async def _quote(kk: KakaClo, cart: tuple[Item, ...]) -> None:
    _heading(f"2. Quote freight for {' and '.join(f'{item.quantity} x {item.sku}' for item in cart)}")
    quotes = await kk.freight.quote_many([FreightRequest(cart, country) for country in _COUNTRIES])
    print_tables([freight_table(dict(zip(_COUNTRIES, quotes, strict=True)))])


async def _order(kk: KakaClo, cart: tuple[Item, ...], lag: float) -> Order:
    _heading("3. Place an order that leaves from warehouses in two countries")
    created = await kk.orders.create(NewOrder(address=_ADDRESS, items=cart))
    order = await _visible(kk, created.id, lag)
    print_tables(order_tables(order))
    return order


async def _visible(kk: KakaClo, order_id: str, lag: float) -> Order:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            return await kk.orders.get(order_id)
        except NotFound:  # KakaClo's search index trails its database
            await asyncio.sleep(lag / 4)
    raise DeadlineExceeded(f"order {order_id} did not show up within {_PATIENCE:g} s")


async def _refund(kk: KakaClo, order: Order, before: Decimal) -> bool:
    sku = order.order_items[0].sku_code or ""
    _heading(f"4. Refund 1 of {_PIECES} x {sku}")
    number = await kk.refunds.request(order.id, [Item(sku, 1)])
    refunds = await kk.refunds.wait(order.id, _PATIENCE)
    status = next(refund.refund_status for refund in refunds if refund.refund_no == number)
    after = (await kk.payment.balance()).amount or Decimal(0)
    paid = order.final_amount
    print_tables(
        [
            Table(("Refund", number), [("Status", status)]),
            Table(
                ("Balance", "USD"),
                [("before", before), ("order", -paid), ("refund", after - before + paid), ("after", after)],
            ),
        ]
    )
    return status is RefundStatus.REFUND_SUCCESSFULLY


def _heading(text: str) -> None:
    sys.stdout.write(f"\n{text}\n")
    sys.stdout.flush()
