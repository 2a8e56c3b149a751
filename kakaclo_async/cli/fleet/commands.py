"""The commands `fleet ...` that change something: workers, shops, orders."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from kakaclo_async import Conflict, InvalidRequest, KakaCloError
from kakaclo_async.cli.command import FAILED, say, sentence
from kakaclo_async.cli.fleet import DEFAULT_FILE, FILE_VARIABLE, work_for
from kakaclo_async.cli.output import Result, Table, show
from kakaclo_async.cli.shop.check import (
    OWN,
    Channels,
    Ioss,
    OlderThan,
    OrdersFile,
    Phone,
    Prefix,
    SkuMapFile,
    read_file,
)
from kakaclo_async.cli.shop.elsewhere import tell
from kakaclo_async.cli.values import run_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kakaclo_async.fleet import Fleet
    from kakaclo_async.fleet.values import Kind
    from kakaclo_async.shop import OrderFile

T = TypeVar("T")

FleetFile = Annotated[
    Path,
    typer.Option("--fleet", help="The fleet's settings.", metavar="FILE", envvar=FILE_VARIABLE),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Although orders of this name wait or are in doubt.")]
ShopName = Annotated[str, typer.Argument(help="The shop's name.", metavar="SHOP", show_default=False)]


def with_fleet(path: Path, work: "Callable[[Fleet], Awaitable[T]]") -> T:
    """Open a fleet, do something with it, and close it."""
    from kakaclo_async.fleet import Fleet

    async def job() -> T:
        async with Fleet.open(path) as fleet:
            return await work(fleet)

    return run_async(job())


def migrate(
    fleet: FleetFile = DEFAULT_FILE,
    moved: Annotated[
        bool, typer.Option("--moved", help="The shops' journals have been moved to another `home`.")
    ] = False,
) -> None:
    """Make the tables of the fleet's database, or bring them to this version; it may be run at any time."""
    from kakaclo_async.fleet import Fleet

    run_async(Fleet.open(fleet).migrate(moved=moved))
    sys.stdout.write("the fleet's tables are up to date\n")


def serve(
    fleet: FleetFile = DEFAULT_FILE,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print each change of a catalog, each event and each declined order, one JSON document per line.",
        ),
    ] = False,
) -> None:
    """Be a worker, until SIGTERM or Ctrl-C, which let what is under way end; several need a PostgreSQL engine."""
    run_async(work_for(fleet, as_json=as_json))


def ring(
    shop: Annotated[
        str, typer.Argument(help='The shop\'s name; "catalog" for the mirror that all share.', metavar="SHOP")
    ],
    kind: Annotated[
        str | None, typer.Argument(help="mirror, orders or watch; all of them by default.", metavar="[KIND]")
    ] = None,
    fleet: FleetFile = DEFAULT_FILE,
) -> None:
    """Let a shop's turn be due now."""
    from kakaclo_async.fleet.values import as_kind

    wanted = None if kind is None else as_kind(kind)
    paused = with_fleet(fleet, lambda opened: _ring(opened, shop, wanted))
    then = f"once it is resumed: {shop} is paused" if paused else "now"
    sys.stdout.write(f"what was rung for is due {then}\n")


async def _ring(opened: "Fleet", shop: str, kind: "Kind | None") -> bool:
    """Ring; return whether the shop is paused."""
    await opened.ring(shop, kind)
    return any(entry.paused for entry in (await opened.status()).shops if entry.shop == shop)


def pause(shop: ShopName, fleet: FleetFile = DEFAULT_FILE) -> None:
    """Let a shop have no turns, for all workers; what is submitted waits."""
    with_fleet(fleet, lambda opened: opened.pause(shop))
    sys.stdout.write(f"{shop} is paused, until you run: kakaclo fleet resume {shop}\n")


def resume(shop: ShopName, fleet: FleetFile = DEFAULT_FILE) -> None:
    """Let a shop have turns again, at once."""
    with_fleet(fleet, lambda opened: opened.resume(shop))
    sys.stdout.write(f"{shop} has its turns again\n")


def add(
    shop: ShopName,
    token: Annotated[
        str,
        typer.Option(
            "--token-from",
            help="Where its token is: env:NAME, file:/path, keyring:service/name, or cmd:program.",
            metavar="PLACE",
        ),
    ],
    base_url: Annotated[str | None, typer.Option(help="URL of the API.", metavar="URL")] = None,
    rate: Annotated[float | None, typer.Option(help="Requests per second that it may send.")] = None,
    force: Force = False,
    fleet: FleetFile = DEFAULT_FILE,
) -> None:
    """Write a file for a new shop; workers take it up within a tick."""
    given = {"base_url": base_url, "rate": rate}
    settings = {key: value for key, value in given.items() if value is not None}
    path = with_fleet(fleet, lambda opened: opened.add(shop, token, settings=settings, force=force))
    sys.stdout.write(f"{path}\n")


def remove(shop: ShopName, force: Force = False, fleet: FleetFile = DEFAULT_FILE) -> None:
    """Delete the file of a shop; its journal and its mirror stay."""
    with_fleet(fleet, lambda opened: opened.remove(shop, force=force))
    sys.stdout.write(f"{shop} is removed; its journal and its mirror stay\n")


def submit(
    shop: ShopName,
    file: OrdersFile,
    *,
    sku_map: SkuMapFile = None,
    phone: Phone = None,
    ioss: Ioss = None,
    prefix: Prefix = "",
    older_than: OlderThan = None,
    channel: Channels = None,
    fleet: FleetFile = DEFAULT_FILE,
    as_json: AsJson = False,
) -> None:
    """Write the orders of a file down in a shop's journal: a worker places each exactly once.

    The file is as for `kakaclo orders submit`. Run it again as often as you like: what was written down is not written
    again, and what was placed is not placed again.
    """
    found = read_file(
        file, sku_map=sku_map, phone=phone, ioss=ioss, prefix=prefix, older_than=older_than, channel=channel
    )
    if found.dialect == OWN and found.problems:
        raise InvalidRequest("; ".join(map(str, found.problems)))
    rows, troubles = with_fleet(fleet, lambda opened: _submit(opened, shop, found))
    for problem in found.problems:
        say(str(problem))
    for trouble in troubles:
        say(sentence(trouble))
    data = [dict(zip(("custom_order_id", "status"), row, strict=True)) for row in rows]
    show(Result(data=data, tables=(Table(("Order", "Status"), rows),)), as_json=as_json)
    if troubles or found.problems:
        raise typer.Exit(FAILED)


def withdraw(
    shop: ShopName,
    orders: Annotated[
        list[str], typer.Argument(help="Their custom order ids.", metavar="ORDER...", show_default=False)
    ],
    fleet: FleetFile = DEFAULT_FILE,
) -> None:
    """Take orders back that wait in a shop's journal, or that were declined; what may have been sent stays."""
    if with_fleet(fleet, lambda opened: _withdraw(opened, shop, orders)):
        raise typer.Exit(FAILED)


async def _withdraw(opened: "Fleet", shop: str, orders: "Sequence[str]") -> bool:
    """Withdraw some orders; return whether one could not be."""
    failed = False
    for order in orders:
        try:
            taken = await opened.withdraw(shop, order)
        except Conflict as error:
            say(sentence(error))
        else:
            if taken is not None:
                sys.stdout.write(f"order {order} of {shop} is withdrawn; it was {taken.status}\n")
                continue
            say(f"no order {order} waits in the journal of {shop}")
        failed = True
    return failed


async def _submit(
    opened: "Fleet", shop: str, found: "OrderFile"
) -> tuple[list[tuple[str, str]], list[KakaCloError]]:
    from kakaclo_async.ordering import WriteStatus

    rows: list[tuple[str, str]] = []
    troubles: list[KakaCloError] = []
    for entry in found.orders:
        try:
            written = await opened.submit(shop, entry.order)
        except Conflict as error:
            troubles.append(error)
        else:
            rows.append((entry.custom_order_id, str(written.status)))
            if written.status is WriteStatus.WAITING and written.why is not None:
                tell(f"order {written.key} waits; the last attempt ended with: {written.why}")
        await asyncio.sleep(0)
    return rows, troubles
