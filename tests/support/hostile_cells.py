"""One cell of the fault matrix: an operation meets a fault, ends as documented, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from kakaclo_async import errors, public
from kakaclo_async.codec import encode
from kakaclo_async.resources.custom import design_key
from support.calls import CALLS
from support.hostile import World
from support.hostile_faces import MAX_WAIT, Async
from support.hostile_shop import OWN, FaultShop
from support.shop import ADDRESS
from support.travelling import whole

TIMEOUT = 30.0  # as by default
SLACK = 0.5
LONGEST = {
    "read": 1,
    "look-up": 1,
    "write": 1,
    "wait": 1,
    "journal": 3,
    "settle": 3,
    "stream": 10,
    "fan-out": 10,
    "mirror": 10,
    "follow": 200,
}
"""How often `MAX_WAIT + TIMEOUT` an operation may take; a write that waits has its own time, too."""


def outcome(found):
    """Say in a few words what an operation came to."""
    match found:
        case errors.ConnectionFailed():
            return f"ConnectionFailed(sent={found.sent})"
        case errors.APIError():
            code = f", code={found.code}" if found.status == 200 and found.code is not None else ""
            return f"{type(found).__name__}({found.status}{code})"
        case errors.DecodeError():
            return f"DecodeError({found.where})" if found.where.startswith("body") else "DecodeError(a field)"
        case errors.DeadlineExceeded():
            return "DeadlineExceeded(retry_in)" if found.retry_in else "DeadlineExceeded"
        case errors.KakaCloError():  # by the name that callers know
            return next(kind.__name__ for kind in type(found).__mro__ if kind.__name__ in public.NAMES)
        case BaseException():
            return f"!{type(found).__name__}"
        case _:
            inside = {outcome(one) for one in _parts(found) if isinstance(one, BaseException)}
            return "a result" + (f" that holds {', '.join(sorted(inside))}" if inside else "")


def _parts(found):
    if isinstance(found, dict) or hasattr(found, "values"):
        return list(found.values())
    return found if isinstance(found, tuple | list) else ()


@attrs.define
class Cell:
    """What was seen.

    Attributes:
        sent: requests that came whole to the server, as `writes`; of those some took `effects`.
        wrong: what is not as promised.
    """

    operation: str
    face: str
    fault: str
    scope: str = "all"
    outcome: str = ""
    sent: int = 0
    writes: int = 0
    effects: int = 0
    seconds: float = 0.0
    error: BaseException | None = None
    found: object = None
    hangs: int = 0
    leaks: int = 0
    doubles: int = 0
    wrong: list[str] = attrs.field(factory=list)

    def __str__(self):
        return (
            f"{self.face} {self.operation} ({self.scope}): {self.outcome}, {self.sent} sent, {self.writes} writes,"
            f" {self.effects} effects, {self.seconds:.2f} s: {'; '.join(self.wrong)}"
        )


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def threads():
    """Count the threads, without those that the package keeps for its databases and names."""
    return sum(
        not thread.name.startswith("kakaclo") or "loop" in thread.name for thread in threading.enumerate()
    )


@contextmanager
def leaving_nothing(cell):
    """Note in a cell which files and threads are left behind."""
    files, started = open_files(), threads()
    yield
    for _ in range(200):
        if open_files() <= files and threads() <= started:
            return
        gc.collect()
        threading.Event().wait(0.005)
    cell.leaks += 1
    if open_files() > files:
        cell.wrong.append(f"{open_files() - files} files are left open")
    if threads() > started:
        cell.wrong.append(f"threads are left: {[thread.name for thread in threading.enumerate()]}")


async def quiet(world, before, *, but=""):
    """Let some time pass until no connection is busy, and no task is left but those from before and the server's.

    Args:
        but: the name of a function whose tasks may go on.

    Returns:
        What is left for ever.
    """
    for pause in (0, 0, 0, 0, 0.01, 0.1, 1, 30, 120, 0):
        await asyncio.sleep(pause)
        tasks = asyncio.all_tasks() - before - world.tasks() - {asyncio.current_task()}
        left = [str(task) for task in tasks if not but or but not in str(task)]
        if world.busy:
            left.append("a connection is busy with a request that nobody waits for")
        if not left:
            break
    return left


async def all_tasks():
    return asyncio.all_tasks()


FEW = (
    "payment.balance", "stocks.get", "products.get_many", "products.updated", "orders.query", "orders.wait",
    "freight.matrix", "orders.create", "refunds.request", "orders.submit", "Mirror.run",
)  # fmt: skip
"""One of each kind: for a fault that is nearly the same as others, or that is about what both faces share."""

FEWEST = ("payment.balance", "orders.query", "orders.create", "orders.submit")
"""For faults of many megabytes."""


def plan(face, fault):
    """Return the operations that meet a fault on a face, each with what of it the fault meets."""
    few = fault.like_others or (face != Async.name and fault.group not in {"Connections", "Tokens"})
    names = FEWEST if fault.heavy else FEW if few else CALLS
    if fault.name.startswith("429 "):
        # A search that settles a doubt about money outlasts every 429, as the bulk lane does, whatever a view says: it
        # ends with the fault.
        names = [name for name in names if CALLS[name].kind != "settle"]
    writes = [name for name in names if CALLS[name].kind in {"write", "journal"}]
    return [(name, "all") for name in names] + [(name, "write") for name in writes]


def run_cell(face, fault, name, scope, folder, number):
    """Let an operation meet a fault, then lift it, and use the client again."""
    cell = Cell(name, face.name, fault.name, scope)
    with leaving_nothing(cell):
        face.play(lambda: _scene(face, fault, name, folder, number, cell))
    return cell


async def _scene(face, fault, name, folder, number, cell):
    operation = CALLS[name]
    world = World.make()
    stage = fault.stage(world)
    kk = face.KakaClo(stage.token, base_url=stage.url, max_attempts=2 if fault.heavy else 5)
    state = face.state(kk)
    state.random = lambda: 0.5
    await face.open(kk)
    try:
        await face.on_loop(_attached(world))
        world.level = lambda: state.gate.level
        shop = FaultShop(face, world, folder, number)
        shop.lift, shop.warm = stage.lift, stage.warm
        await face.on_loop(stage.begin)
        await _prepare(face, name, kk, shop, world)
        before = await face.on_loop(all_tasks)
        world.arrived = world.writes = world.effects = 0
        world.hits = (lambda exchange: exchange.writes) if cell.scope == "write" else (lambda exchange: True)
        await face.on_loop(stage.strike)
        await _measure(face, operation, kk, shop, cell)
        cell.sent, cell.writes, cell.effects = world.arrived, world.writes, world.effects
        # A read that is cut off while it connects, by a wait or because another failed, may have left for all that the
        # client can tell: its permit is spent.
        alone = operation.kind in {"read", "look-up", "write", "journal"} and name != "orders.check"
        lost = state.gate.level - world.sandbox.level
        if fault.keeps_in and alone and lost > 1e-6:
            cell.wrong.append(f"{lost:.3f} permits were lost, and nothing was sent")
        left = await face.on_loop(lambda: quiet(world, before, but=fault.goes_on))
        await face.on_loop(stage.lift)
        await _again(face, fault, operation, kk, shop, world, cell)
        left += await face.on_loop(lambda: quiet(world, before))
        cell.leaks += bool(left)
        cell.wrong += left
        cell.wrong += stage.complaints()
        if world.behind > 1e-6:
            cell.wrong.append(
                f"the client's count of permits was {world.behind:.3f} behind the server's bucket"
            )
        if world.sandbox.throttled:
            cell.wrong.append("the client has sent more than its rate")
    finally:
        await face.on_loop(world.aclose)
        await face.close(kk)
        stage.close()


def _attached(world):
    async def attach():
        world.attach()

    return attach


async def _prepare(face, name, kk, shop, world):
    """Leave an order in doubt, for what settles doubts."""
    if shop.warm:  # with several connections
        await face.call(CALLS["orders.check"], kk, shop)
    if not name.startswith("Journal."):
        return
    before, world.act = await face.on_loop(all_tasks), lose
    with suppress(errors.OutcomeUnknown):
        await face.call(CALLS["orders.submit"], kk, shop)
    await face.on_loop(lambda: quiet(world, before))  # a look goes on after those who waited for it have left
    world.act = None


async def lose(exchange):
    """Let a write take effect, and answer nothing any more."""
    if exchange.writes:
        exchange.effect()
    exchange.reset()


async def _measure(face, operation, kk, shop, cell):
    started = face.loop.time()
    try:
        cell.found = await face.call(operation, kk, shop)
    except BaseException as error:
        if not isinstance(error, Exception) and not isinstance(error, asyncio.CancelledError):
            raise
        cell.error = error
    cell.seconds = face.loop.time() - started
    cell.outcome = outcome(cell.error or cell.found)
    limit = LONGEST[operation.kind] * (MAX_WAIT + TIMEOUT) + 2 * OWN * (
        operation.kind in {"write", "journal"}
    )
    if cell.seconds > limit + SLACK:
        cell.hangs += 1
        cell.wrong.append(f"it took {cell.seconds:.1f} s, and {limit:g} are allowed")
    _judge_words(cell, shop)


def _judge_words(cell, shop):
    """The token and the address stand in no error, and what is in doubt is named."""
    error = cell.error
    if isinstance(error, errors.OutcomeUnknown) and not any(name in str(error) for name in _names(shop)):
        cell.wrong.append(f"it is not said what is in doubt: {error}")
    while error is not None:
        said = f"{error!r} {error} {vars(error)}"
        if "sandbox-token" in said or any(
            part in said for part in (ADDRESS.street1, ADDRESS.phone, ADDRESS.recipient)
        ):
            cell.wrong.append(f"a secret is shown: {said[:200]}")
        error = error.__cause__ or error.__context__


def _names(shop):
    """Return what the writes of a cell are known by."""
    return shop.order.custom_order_id, shop.paid, shop.refunded, design_key(encode(shop.design))


READING = {"read", "look-up", "stream", "wait", "fan-out"}


def _plain(found):
    """Return a result without the order of its rows, which come as their windows do."""
    return sorted(map(whole, found)) if isinstance(found, list) else whole(found)


async def _again(face, fault, operation, kk, shop, world, cell):
    """The fault is over: the client works as before, and what was asked for exactly once is there once."""
    rest = (
        400.0 if operation.kind in {"journal", "settle"} else 70.0
    )  # a hold after a 429 lasts a minute at most
    await face.on_loop(lambda: asyncio.sleep(rest))
    world.skip(1)
    again = operation if operation.kind not in {"write", "mirror", "follow"} else CALLS["payment.balance"]
    try:
        found = await face.call(again, kk, shop)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is noted
        cell.wrong.append(f"afterwards, without the fault: {outcome(error)} ({error})")
        return
    if fault.harmless and operation.kind in READING and _plain(found) != _plain(cell.found):
        cell.wrong.append("the result is another one than without the fault")
    if operation.kind == "journal" and world.effects != 1:
        cell.wrong.append(f"submitted again without the fault: {world.effects} effects")
    if world.effects > 1 or (
        operation.kind == "write" and cell.writes > 1 and not cell.fault.startswith("429 ")
    ):
        cell.doubles += 1
        cell.wrong.append(f"a write was sent {cell.writes} times, and had {world.effects} effects")
