"""Fleets for tests: a file of settings, shops whose tokens lie in files, and looks that wait for what they want."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

from kakaclo_async import Item, NewOrder
from kakaclo_async.fleet import Fleet
from kakaclo_async.sandbox import Sandbox
from support.ordering import RICH
from support.shop import ADDRESS

QUICK = {"tick": 0.05, "beat": 0.1, "dead": 0.5, "mirror_every": 3600, "watch_every": 3600}
"""Settings of a fleet that loses no time."""


def written(folder, shops=(), *, include="shops.d/*.toml", **settings):
    """Write `fleet.toml` and a file for each shop; return the path of the first.

    Shops of several sandboxes have a catalog each.
    """
    if len({values.get("base_url") for _, _, values in shops}) > 1:
        settings = {"catalog": "own"} | settings
    lines = [f'include = "{include}"', "[fleet]", *_lines(QUICK | settings)]
    path = folder / "fleet.toml"
    path.write_text("\n".join(lines) + "\n")
    (folder / "shops.d").mkdir(exist_ok=True)
    for name, token, values in shops:
        write_shop(folder, name, token, **values)
    return path


def write_shop(folder, name, token, **values):
    secret = folder / f"{name}.token"
    secret.touch(mode=0o600)
    secret.write_text(token)
    lines = [f"[shop.{name}]", *_lines({"token": f"file:../{name}.token", "rate": 1000.0} | values)]
    (folder / "shops.d" / f"{name}.toml").write_text("\n".join(lines) + "\n")


def _lines(values):
    for key, value in values.items():
        shown = f'"{value}"' if isinstance(value, str) else str(value).lower()
        yield f"{key} = {shown}"


@asynccontextmanager
async def sandboxes(*names, **settings):
    """A sandbox for each shop; yield them by name."""
    settings = RICH | {"products": 30, "index_lag": 0} | settings
    opened = {name: Sandbox(**settings) for name in names}
    try:
        for sandbox in opened.values():
            await sandbox.__aenter__()
        yield opened
    finally:
        for sandbox in opened.values():
            await sandbox.__aexit__(None, None, None)


def entries(opened, **values):
    """The shops of sandboxes, as `written` takes them."""
    return [(name, sandbox.token, {"base_url": sandbox.url} | values) for name, sandbox in opened.items()]


def orders(sandbox, count, *, prefix="A"):
    sku, *_ = sandbox.catalog.selling(pieces=count)
    return [
        NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id=f"{prefix}-{n}") for n in range(count)
    ]


def placed(sandbox):
    return sorted(entry.custom_order_id for entry in sandbox.journal)


@asynccontextmanager
async def serving(path, **hooks):
    """An open fleet that serves in this process."""
    async with Fleet.open(path) as fleet:
        worker = asyncio.create_task(fleet.serve(stop_on_signals=False, **hooks))
        try:
            yield fleet
        finally:
            worker.cancel()
            await asyncio.wait((worker,))
            if not worker.cancelled():
                worker.result()


async def ticks(fleet):
    """Let a fleet see that files have changed, and that nobody goes on writing them."""
    for _ in range(2):
        await fleet._roster.look()
    await fleet._tick()


async def turn_of(fleet, shop, kind):
    """How a turn stands."""
    found = {entry.shop: entry for entry in (await fleet.status()).shops}
    return next(turn for turn in found[shop].turns if turn.kind == kind)


async def failure_of(fleet, shop, kind, telling=""):
    """Wait until a turn's error tells this, whatever an earlier turn's error told; return it."""

    async def look():
        error = (await turn_of(fleet, shop, kind)).error
        return error if error and telling in error else None

    return await until(look)


PATIENCE = 120.0
"""Seconds after which a thing is not expected any more, which no speed of a machine explains."""


async def until(look):
    """Wait until a look, sync or async, is true; return it."""
    end = time.monotonic() + PATIENCE
    while True:
        found = look()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.02)
