"""`tell_tracking`: a file of the tracking numbers that a shop was not told of yet, and of no others."""

from __future__ import annotations

import io
import json
import secrets
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TextIO

import attrs

from kakaclo_async.codec.scalars import write_json
from kakaclo_async.database import in_thread, run_to_completion
from kakaclo_async.errors import ConfigurationError, InvalidRequest, KakaCloError
from kakaclo_async.models.family import pieces
from kakaclo_async.models.freight import Item
from kakaclo_async.ordering.journal import own_journal, wall_clock
from kakaclo_async.sending import sender_of
from kakaclo_async.shop.incoming.order_file import OrderFile
from kakaclo_async.shop.incoming.orders import read_orders
from kakaclo_async.shop.incoming.skus import SkuMap, read_map
from kakaclo_async.shop.outgoing.told import Memory, give_name, remove, write_part
from kakaclo_async.shop.outgoing.tracking import (
    TrackingRows,
    check_name,
    target_of,
    tracking,
    tracking_rows,
    write_rows,
)
from kakaclo_async.shop.outgoing.tracking_lines import shipped
from kakaclo_async.shop.outgoing.tracking_map import shop_lines
from kakaclo_async.travel import write_time

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from kakaclo_async.client import KakaClo
    from kakaclo_async.models.order import Order
    from kakaclo_async.ordering import Journal
    from kakaclo_async.shop.outgoing.told import Known
    from kakaclo_async.shop.outgoing.tracking_lines import Shipments, Shipped

LOOK_BACK: Final = timedelta(days=30)
_LATE: Final = timedelta(days=1)  # more than KakaClo's lists are behind
_MOST_TRIES: Final = 100


@attrs.frozen(kw_only=True)
class TrackingReport:
    """What a shop is told now.

    Attributes:
        file: where it stands; None if there is nothing to tell, or it went to a stream.
        rows: of the file, by its columns.
        since: from when on KakaClo was asked for what changed.
        problems: numbers that the shop is not told of, a sentence each: they are told once that is mended.
        notes: what else is worth a look, a sentence each.
    """

    file: Path | None
    rows: tuple[dict[str, str], ...]
    since: datetime
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return it as plain data for JSON."""
        return {
            "file": None if self.file is None else str(self.file),
            "rows": [dict(row) for row in self.rows],
            "since": write_time(self.since),
            "problems": [*self.problems],
            "notes": [*self.notes],
        }

    def to_json(self) -> str:
        """Return `to_dict` as JSON text."""
        return write_json(self.to_dict()).decode()


@attrs.frozen
class _Plan:
    """What is to be told, and what it was found out with."""

    found: TrackingRows
    seen: frozenset[str]
    new: dict[str, str]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


async def tell_tracking(
    kk: KakaClo,
    journal: Journal,
    out: str | Path | BinaryIO,
    *,
    target: str,
    since: datetime | None = None,
    orders: OrderFile | str | Path | TextIO | None = None,
    sku_map: SkuMap | str | Path | TextIO | None = None,
    prefix: str = "",
    again: bool = False,
    now: Callable[[], datetime] = wall_clock,
) -> TrackingReport:
    """Write a file of the tracking numbers that a shop was not told of yet.

    The journal keeps what was told, for each target. However many runs there are at once, and wherever one of them is
    killed, each item in a package is in one file. If there is nothing to tell, no file is written.

    `GET /v2/order/orders`, 250 orders per request, in the bulk lane

    Args:
        kk: the client.
        journal: of the shop's orders.
        out: the file; if there is one, the next free name: `tracking.2.csv`. Or a binary stream, which stays open:
            what was written counts as told once it is flushed, and is told again if the run is killed before.
        target: matrixify, amazon, woo-ast or csv.
        since: aware, asks for orders that changed since then; by default 30 days ago, or a day before the shop was
            told something for the last time, if that is longer ago.
        orders: a file of the shop's orders, as it was submitted: only these are told, by the shop's own SKUs. Amazon
            needs it.
        sku_map: from the shop's SKUs to KakaClo's.
        prefix: what custom order ids begin with here, and not in the shop: others are another shop's.
        again: tell also what was told before.
        now: tells the time, aware.

    Raises:
        InvalidRequest: no such target, a name or a file of orders that will not do, or a naive time.
        ConfigurationError: file or journal cannot be written.
        ClaimLost: it lasted so long that another run took over.
        IncompletePull: KakaClo's list moved too much to be sure of all.
    """
    sender_of(kk)
    journal = own_journal(journal)
    if isinstance(out, (str, Path)):
        check_name(out, target)
        out = await in_thread(Path(out).absolute)
    goods = sku_map if sku_map is None or isinstance(sku_map, SkuMap) else await in_thread(read_map, sku_map)
    book = await in_thread(_read_file, target, orders, goods, prefix)
    memory = Memory(journal, target, now)
    if since is None:
        last = await memory.last()
        since = min(now() - LOOK_BACK, now() if last is None else last - _LATE)
    ids = None if book is None else {sold.order for sold in book.sold}
    tracked = await tracking(kk, since=since)
    mine = [order for order in tracked.orders if ids is None or order.custom_order_id in ids]
    for _ in range(_MOST_TRIES):
        known = await memory.known({order.id for order in mine})
        plan = _plan(mine, target, book, goods, prefix, known, again=again)
        if not plan.found.rows:
            written: Path | None = None
            break
        part = (
            None if not isinstance(out, Path) else out.with_name(f".{out.name}.{secrets.token_hex(8)}.part")
        )
        claim = "" if not plan.new else await memory.claim(plan.new, plan.seen, part=part)
        if claim is not None:
            written = await _tell(memory, claim, plan, target, out, part)
            break
    else:
        raise KakaCloError("other runs tell the same orders all the time: run it again")
    others = {order.custom_order_id or "" for order in tracked.orders if order not in mine}
    strange = sum(number.startswith(prefix) for number in others)
    notes = (
        *plan.notes,
        *([f"{strange} orders are under way and not in the file of orders"] if strange else []),
    )
    return TrackingReport(
        file=written,
        rows=plan.found.rows,
        since=since,
        problems=(*tracked.problems, *plan.problems),
        notes=notes,
    )


def _read_file(
    target: str,
    orders: OrderFile | str | Path | TextIO | None,
    sku_map: SkuMap | None,
    prefix: str,
) -> OrderFile | None:
    target_of(target)
    need = "Amazon takes a tracking number for an order-item-id, which only its own file of orders has"
    if orders is None:
        if target == "amazon":
            raise InvalidRequest(f"{need}: give that file (--orders)")
        return None
    found = orders if isinstance(orders, OrderFile) else read_orders(orders, sku_map=sku_map, prefix=prefix)
    if target == "amazon" and found.dialect != "amazon":
        raise InvalidRequest(f"{need}: the file of orders (--orders) is of the kind {found.dialect!r}")
    return found


def _plan(
    orders: Sequence[Order],
    target: str,
    book: OrderFile | None,
    sku_map: SkuMap | None,
    prefix: str,
    known: Known,
    *,
    again: bool,
) -> _Plan:
    """Find out what is to be told, from what is known."""
    families: dict[str, list[Order]] = {}
    for order in orders:
        families.setdefault(order.custom_order_id or "", []).append(order)
    lines = None
    if book is not None:
        ordered = {number: pieces(family) for number, family in families.items()}
        lines = shop_lines(book.sold, sku_map, ordered)
    parts = () if sku_map is None else sku_map.parts.items()
    plain = {code: [Item(part.sku, part.pieces) for part in made] for code, made in parts}
    seen = known.told | known.held
    shipments = shipped(orders, shop_lines=lines, sku_map=plain, prefix=prefix, seen=seen)
    renamed = _renamed(shipments.rows, seen)
    whole = tracking_rows(shipments.rows, target)
    order_of = {row.key: row.order_id for row in shipments.rows}
    skipped = frozenset[str]() if again else seen | renamed
    found = tracking_rows(shipments.rows, target, seen=skipped)
    live = known.held - known.stranded
    new = {key: order_of[key] for key in found.keys - known.told - live}
    notes, problems = _said(shipments, whole.keys, known, frozenset() if again else renamed, again=again)
    return _Plan(found, seen, new, (*shipments.problems, *found.problems, *problems), tuple(notes))


def _renamed(rows: Iterable[Shipped], seen: Collection[str]) -> frozenset[str]:
    """Return the keys of rows whose packages were told by other names of the items, and by none of these."""
    told = {tuple(json.loads(key)[:2]) for key in seen}
    rest = [row for row in rows if (row.order_id, row.package) in told]
    same = {(row.order_id, row.package) for row in rest if row.key in seen}
    return frozenset(row.key for row in rest if (row.order_id, row.package) not in same)


def _said(
    shipments: Shipments, keys: Collection[str], known: Known, renamed: Collection[str], *, again: bool
) -> tuple[list[str], list[str]]:
    """Return notes and problems about what other runs did."""
    notes = [
        f"a run that was stopped had made its file ({part}): it counts as told" for part in known.recovered
    ]
    held = sum(row.key in known.held - known.stranded and row.key in keys for row in shipments.rows)
    if held and not again:
        notes.append(
            f"another run is telling {held} items of packages now: what it does not tell, a later one does"
        )
    if numbers := sorted({row.custom_order_id for row in shipments.rows if row.key in renamed}):
        notes.append(
            f"told before, by other SKUs or item numbers, and not again without --again: orders {', '.join(numbers)}"
        )
    stranded = sorted({row.custom_order_id for row in shipments.rows if row.key in known.stranded})
    problems = [
        f"order {number}: a run on another machine was stopped while it told its tracking numbers, and may have: run it"
        " there again, or use --again"
        for number in stranded
        if not again
    ]
    return notes, problems


async def _tell(
    memory: Memory, claim: str, plan: _Plan, target: str, out: Path | BinaryIO, part: Path | None
) -> Path | None:
    """Write what is claimed; whatever fails before it is out gives it back."""
    data = io.BytesIO()
    write_rows(data, plan.found.rows, target)
    try:
        if not isinstance(out, Path) or part is None:
            assert not isinstance(out, Path)  # noqa: S101 - a file has a part
            await in_thread(_to_stream, out, data.getvalue())
        else:
            await in_thread(write_part, part, data.getvalue())
            if claim:
                await memory.written(claim, len(plan.new))
    except BaseException as error:
        await _give_back(memory, claim, part)
        if isinstance(error, OSError) and part is not None:
            raise ConfigurationError(f"{out} cannot be written: {error.strerror or error}") from None
        raise
    return await run_to_completion(_name(memory, claim, out, part))


async def _name(memory: Memory, claim: str, out: Path | BinaryIO, part: Path | None) -> Path | None:
    path: Path | None = None
    if isinstance(out, Path) and part is not None:
        try:
            path = await in_thread(give_name, part, out)
        except BaseException as error:
            await _give_back(memory, claim, part)
            if isinstance(error, OSError):
                raise ConfigurationError(f"{out} cannot be written: {error.strerror or error}") from None
            raise
    if claim:
        try:
            await memory.done(claim)
        except KakaCloError as error:
            error.add_note(f"{path or 'the output'} is written, and the journal could not keep that")
            raise
    return path


async def _give_back(memory: Memory, claim: str, part: Path | None) -> None:
    if claim:
        await memory.release(claim)
    if part is not None:  # not before: to a run that takes over, a part file that is gone has its name
        await in_thread(remove, part)


def _to_stream(stream: BinaryIO, data: bytes) -> None:
    stream.write(data)
    stream.flush()
