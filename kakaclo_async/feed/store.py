"""What a feed keeps in its journal's database: each function is the work of one transaction.

New state and the events of it are written together, so that whatever kills the process, no event is lost, and none is
told of a state that was not kept.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Final, cast

import attrs
from sqlalchemy import and_, bindparam, exists, func, insert, select, update

from kakaclo_async.database.migrations import among
from kakaclo_async.errors import KakaCloError
from kakaclo_async.feed.events import BalanceLow
from kakaclo_async.feed.tables import family, head, lock, order
from kakaclo_async.feed.telling import Telling
from kakaclo_async.feed.transitions import Fact, Seen, is_over, look, pause
from kakaclo_async.models.family import match_family, pieces
from kakaclo_async.ordering.database import write
from kakaclo_async.retry import Pauses

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from sqlalchemy.engine import Connection

    from kakaclo_async.models.order import Order


MOST_ORDERS: Final = 250
"""Orders that one request asks for."""

_MOST_NEW: Final = 1000  # of one transaction
_SOON: Final = 10.0  # seconds: what is due so soon goes along
_CLAIM: Final = 60.0  # seconds after which another look is taken at what a process that died was looking at
_DAY: Final = 86_400.0
_HOUR: Final = 3_600.0
_LOOKS: Final = Pauses(first=60.0, growth=4.0, longest=_DAY)
_MOST_LOOKS: Final = 8
_CODE: Final = re.compile(r"[^\s,]{1,64}")
BALANCE_EVERY: Final = 300.0


@attrs.frozen
class Wanted:
    """Where to look for orders that KakaClo made beside the known ones.

    Attributes:
        ids: custom order ids.
        start: no later than they were made, in seconds since 1970.
        end: no earlier.
    """

    ids: tuple[str, ...]
    start: float
    end: float


@attrs.frozen
class Entered:
    """What a transaction began to watch.

    Attributes:
        until: when the last of it was placed, in seconds since 1970; None when it was nothing.
        is_all: whether nothing is left.
        events: how many were appended.
    """

    until: float | None = None
    is_all: bool = True
    events: int = 0


def enter(connection: Connection, now: float, since: float, shop: str | None) -> Entered:
    """Begin to watch what the journal has placed since."""
    known = exists().where(family.c.custom_order_id == write.c.key)
    placed = select(write.c.key, write.c.outcome, write.c.notes, write.c.payload, write.c.done_at)
    placed = placed.where(write.c.kind == "order", write.c.state == "done", write.c.done_at >= since, ~known)
    if not connection.execute(placed.limit(1)).first():
        return Entered()
    telling = Telling(connection, now, shop)  # it locks: another feed may have entered them meanwhile
    rows = connection.execute(placed.order_by(write.c.done_at).limit(_MOST_NEW)).all()
    if not rows:
        return Entered()
    watched: list[_Watched] = []
    families: list[dict[str, object]] = []
    for row in rows:
        notes = cast("dict[str, list[str]]", json.loads(row.notes or "{}"))
        numbers = notes.get("numbers", [row.outcome or ""])
        values = {"custom_order_id": row.key, "placed_at": row.done_at, "looks": 0, "look_at": None}
        families.append({**values, "asked": _asked(row.payload)})
        watched += [_Watched(number, row.key, row.done_at) for number in numbers]
        if len(numbers) > 1:
            telling.split(row.key, numbers)
    connection.execute(insert(family), families)
    _watch(connection, watched, now)
    return Entered(rows[-1].done_at, len(rows) < _MOST_NEW, telling.end())


def _asked(payload: bytes | None) -> str | None:
    lines = cast("dict[str, list[dict[str, object]]]", json.loads(payload or b"{}")).get("orderItemsList", [])
    asked = Counter[str]()
    for line in lines:
        asked[str(line["sku"])] += int(str(line["quantity"]))
    return json.dumps(asked) if asked else None


@attrs.frozen
class _Watched:
    order_id: str
    custom_order_id: str
    placed_at: float


def _watch(connection: Connection, watched: Iterable[_Watched], now: float) -> None:
    given = {
        one.order_id: one for one in watched if _CODE.fullmatch(one.order_id)
    }  # no other can be asked for
    there = select(order.c.order_id).where(among(order.c.order_id, list(given)))
    for number in connection.scalars(there):
        del given[number]
    fresh = {"state": Seen().to_text(), "due_at": now}
    rows = [
        {
            **fresh,
            "order_id": one.order_id,
            "custom_order_id": one.custom_order_id,
            "changed_at": one.placed_at,
        }
        for one in given.values()
    ]
    if rows:
        connection.execute(insert(order), rows)


def claim(connection: Connection, now: float) -> tuple[str, ...]:
    """Return the numbers of orders to look at now, as many as one request asks for; empty while none is due."""
    if not connection.execute(select(order.c.order_id).where(order.c.due_at <= now).limit(1)).first():
        return ()
    due = select(order.c.order_id).where(order.c.due_at <= now + _SOON).order_by(order.c.due_at)
    numbers = tuple(connection.scalars(due.limit(MOST_ORDERS).with_for_update(skip_locked=True)))
    later = update(order).where(among(order.c.order_id, numbers)).values(due_at=now + _CLAIM)
    connection.execute(later)
    return numbers


def record(
    connection: Connection, found: Mapping[str, Order | KakaCloError], now: float, shop: str | None
) -> int:
    """Keep what orders look like now, and append what happened to them; return the number of events."""
    telling = Telling(connection, now, shop)
    known = select(order).where(among(order.c.order_id, list(found)))
    rows = connection.execute(known.order_by(order.c.changed_at, order.c.order_id)).all()
    changes: list[dict[str, object]] = []
    for row in rows:
        answer, changed_at, over = found[row.order_id], row.changed_at, row.due_at is None
        state = row.state
        if not isinstance(answer, KakaCloError):
            facts, seen = look(answer, Seen.from_text(state))
            for fact in facts:
                telling.tell(fact, row.order_id, row.custom_order_id)
            changed_at, state = (now if facts else changed_at), seen.to_text()
            over = is_over(answer)
        changes.append(
            {
                "number": row.order_id,
                "new_state": state,
                "new_changed_at": changed_at,
                "new_due_at": None if over else now + pause(now - changed_at),
            }
        )
    if changes:
        names = ("state", "changed_at", "due_at")
        change = update(order).where(order.c.order_id == bindparam("number"))
        connection.execute(change.values({name: bindparam(f"new_{name}") for name in names}), changes)
    _judge(connection, {row.custom_order_id for row in rows}, now)
    return telling.end()


def _judge(connection: Connection, names: Iterable[str], now: float) -> None:
    """Find out of which orders of yours a part is missing, so that KakaClo may have made others of it."""
    open_ones = and_(among(family.c.custom_order_id, list(names)), family.c.asked.is_not(None))
    asked = {row.custom_order_id: row for row in connection.execute(select(family).where(open_ones))}
    if not asked:
        return
    held: dict[str, list[Seen]] = {}
    rows = select(order.c.custom_order_id, order.c.state).where(among(order.c.custom_order_id, list(asked)))
    for name, state in connection.execute(rows):
        held.setdefault(name, []).append(Seen.from_text(state))
    for name, row in asked.items():
        parts = [seen.pieces for seen in held.get(name, ())]
        if any(part is None for part in parts):
            continue
        missing = Counter[str](json.loads(row.asked)) - sum(
            (part or Counter[str]() for part in parts), Counter[str]()
        )
        if not missing:
            if row.looks or row.look_at is not None:
                _change_family(connection, name, looks=0, look_at=None)
        elif row.look_at is None:
            _change_family(connection, name, look_at=now)


def _change_family(connection: Connection, name: str, **values: object) -> None:
    connection.execute(update(family).where(family.c.custom_order_id == name).values(values))


def missing_parts(connection: Connection, now: float) -> Wanted | None:
    """Return where to look for orders that are missing; those that were made at about the same time go together."""
    rows = connection.execute(
        select(family).where(family.c.look_at <= now).order_by(family.c.placed_at).limit(MOST_ORDERS)
    ).all()
    if not rows:
        return None
    lock(connection)
    together = [row for row in rows if row.placed_at <= rows[0].placed_at + _DAY]
    names = [row.custom_order_id for row in together]
    states = connection.scalars(select(order.c.state).where(among(order.c.custom_order_id, names)))
    made = [at for at in (Seen.from_text(state).made_at for state in states) if at is not None]
    times = made or [row.placed_at for row in together]
    for row in together:
        over = row.looks + 1 >= _MOST_LOOKS
        again = now + _LOOKS.after(row.looks + 1)
        values = {"asked": None, "look_at": None} if over else {"look_at": again}
        _change_family(connection, row.custom_order_id, looks=row.looks + 1, **values)
    return Wanted(tuple(names), min(times) - _HOUR, max(times) + _HOUR)


def adopt(
    connection: Connection, wanted: Wanted, listed: Sequence[Order], now: float, shop: str | None
) -> int:
    """Watch the orders that complete what was asked for, and tell of the split; return the number of events."""
    telling = Telling(connection, now, shop)
    for name in wanted.ids:
        row = connection.execute(select(family).where(family.c.custom_order_id == name)).one()
        states = connection.execute(
            select(order.c.order_id, order.c.state).where(order.c.custom_order_id == name)
        ).all()
        known = {number: Seen.from_text(state).pieces or Counter[str]() for number, state in states}
        payload = connection.scalar(
            select(write.c.payload).where(write.c.kind == "order", write.c.key == name)
        )
        asked = Counter[str](json.loads(row.asked or _asked(payload) or "{}"))
        missing = asked - sum(known.values(), Counter[str]())
        others = [one for one in listed if one.custom_order_id == name and one.id not in known]
        found = match_family(missing, others) if missing else ()
        if not found:  # a part may not show yet: what fits is watched, and the rest is looked for again
            found = _fitting(missing, others)
        if found:
            numbers = sorted([*known, *(one.id for one in found)], key=lambda number: (len(number), number))
            _watch(connection, [_Watched(number, name, row.placed_at) for number in numbers], now)
            telling.split(name, numbers)
    return telling.end()


def _fitting(missing: Counter[str], others: Iterable[Order]) -> tuple[Order, ...]:
    left, found = Counter(missing), list["Order"]()
    for one in sorted(others, key=lambda one: (len(one.id), one.id)):
        held = pieces([one])
        if held and held <= left:
            left -= held
            found.append(one)
    return tuple(found)


def claim_balance(connection: Connection, now: float) -> bool:
    """Tell whether the balance is to be asked for now."""
    locked = connection.execute(select(head.c.balance_at).with_for_update()).one()
    if locked.balance_at > now:
        return False
    connection.execute(update(head).values(balance_at=now + BALANCE_EVERY))
    return True


def record_balance(
    connection: Connection, amount: Decimal, below: Decimal, now: float, shop: str | None
) -> int:
    """Tell that the balance fell below a limit, unless that was told; return the number of events."""
    telling = Telling(connection, now, shop)
    is_low, was_low = amount < below, bool(connection.scalar(select(head.c.balance_low)))
    if is_low and not was_low:
        telling.tell(Fact(f"balance:{now}", BalanceLow, {"amount": amount, "below": below}), None, None)
    if is_low != was_low:
        connection.execute(update(head).values(balance_low=int(is_low)))
    return telling.end()


def next_look(connection: Connection) -> float | None:
    """Return when an order is due next, in seconds since 1970; None when all are over."""
    return cast("float | None", connection.scalar(select(func.min(order.c.due_at))))
