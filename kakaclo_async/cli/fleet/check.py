"""The command `fleet check`: all that is wrong with a fleet's settings, found without a request."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from kakaclo_async import ConfigurationError, KakaCloError
from kakaclo_async.cli.command import sentence
from kakaclo_async.cli.fleet import DEFAULT_FILE
from kakaclo_async.cli.fleet.commands import AsJson, FleetFile
from kakaclo_async.cli.output import Result, Table, show
from kakaclo_async.cli.values import run_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kakaclo_async.fleet import FleetSettings
    from kakaclo_async.fleet.config.files import SettingsFiles

Row = tuple[str, str, str]  # file, key, what


def check(
    fleet: FleetFile = DEFAULT_FILE,
    connect: Annotated[
        bool, typer.Option("--connect", help="Try the fleet's databases and Redis, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read the settings, tell all that is wrong with them, and ask for each token and secret; KakaClo is not asked."""
    from kakaclo_async.fleet.config.files import SettingsFiles

    files = SettingsFiles(fleet)
    settings = files.read()
    problems = [(entry.file, entry.key, entry.what) for entry in files.problems]
    warnings: list[Row] = []
    if settings is not None:
        run_async(_look(files, settings, problems, warnings, connect=connect))
    shops = sorted(settings.shops) if settings else []
    data = {"shops": shops, "problems": _named(problems), "warnings": _named(warnings)}
    tables = (
        [Table(("File", "Key", "Problem"), problems)] if problems else [Table(("Shops",), [(len(shops),)])]
    )
    tables += [Table(("File", "Key", "Warning"), warnings)] if warnings else []
    show(Result(data=data, tables=tuple(tables)), as_json=as_json)
    if problems:
        raise typer.Exit(2)


def _named(rows: list[Row]) -> list[dict[str, str]]:
    return [dict(zip(("file", "key", "what"), row, strict=True)) for row in rows]


async def _look(
    files: "SettingsFiles",
    settings: "FleetSettings",
    problems: list[Row],
    warnings: list[Row],
    *,
    connect: bool,
) -> None:
    from kakaclo_async.fleet import Fleet
    from kakaclo_async.fleet.config.checks import AS_ONE, Twins, redirected, too_quick
    from kakaclo_async.fleet.config.homes import place_of
    from kakaclo_async.fleet.pool import Pool
    from kakaclo_async.fleet.waiting import Waiting
    from kakaclo_async.token import Token, token_from

    async def nobody() -> set[str]:
        return await asyncio.sleep(0, set[str]())

    async def reach() -> None:
        if not settings.is_local or (settings.folder / "fleet.db").exists():
            engine = Fleet.open(files.path)._engine  # noqa: SLF001 - packages share privates
            try:
                await engine.open()
                await engine.table.check_home(place_of(settings))
            finally:
                await engine.aclose()

    async def look_for_orders() -> None:
        for name, found in (await Waiting(pool).left_behind()).items():
            what = f"has {found}, and there is no such shop: see kakaclo fleet pending"
            warnings.append((file, f"shop.{name}", what))

    file = files.path.name
    twins, pool = Twins(settings.shops), Pool(settings, nobody)
    for name, shop in sorted(settings.shops.items()):
        try:
            pool.check(name)
        except ConfigurationError as error:
            problems.append((files.file_of(name), f"shop.{name}", sentence(error)))
        try:
            token = await Token(token_from(shop.token)).read()
        except ConfigurationError as error:
            problems.append((files.file_of(name), f"shop.{name}.token", sentence(error)))
            continue
        if (other := twins.other(name, shop.base_url, token)) is not None:
            problems.append(
                (files.file_of(name), f"shop.{name}.token", f"is that of shop {other}, too: {AS_ONE}")
            )
    if why := redirected({name: shop.base_url for name, shop in settings.shops.items()}):
        warnings.append((file, "shop.base_url", why))
    times = {name: shop.quiet_time for name, shop in settings.shops.items()}
    warnings += [
        (files.file_of(name), f"shop.{name}.quiet_time", why) for name, why in too_quick(times).items()
    ]
    wanted: list[tuple[str, Callable[[], Awaitable[object]]]] = [("fleet.webhook_secret", pool.webhook)]
    if connect or settings.home.startswith("sqlite:"):  # others are at the end of a network
        wanted.append(("fleet.home", look_for_orders))
    if connect:
        wanted += [("fleet.engine", reach), ("fleet.bucket", pool.permits)]
    for key, call in wanted:
        try:
            await call()
        except KakaCloError as error:
            problems.append((file, key, sentence(error)))
