"""What was placed with other journals, or with none: KakaClo is asked for it, for no journal knows of another."""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async import DecodeError, IncompletePull, KakaClo, Order
from kakaclo_async.resources.orders.reads import by_number, list_orders
from kakaclo_async.resources.orders.requests import (
    field_of,
    is_damaged,
    may_mean,
    recognizable,
    unreadable,
)
from kakaclo_async.sending import sender_of
from kakaclo_async.transport.endpoint import environment_name

if TYPE_CHECKING:
    from kakaclo_async.codec import Undecodable

LOOK_BACK_DAYS: Final = 30
"""How far back KakaClo is asked for the orders of a file that its journal does not know."""


@attrs.frozen
class Seen:
    """What a look at KakaClo has shown.

    Attributes:
        families: its orders under some custom order ids, in the order of their numbers.
        is_in_use: whether it has any order, under whatever id.
    """

    families: Mapping[str, Sequence[Order]]
    is_in_use: bool


async def look_back(kk: KakaClo, keys: Iterable[str], *, is_sure: bool) -> Seen:
    """Ask KakaClo for the orders of the last days under some ids.

    `GET /v2/order/orders?createStartTime=`, 250 rows per request, in the bulk lane

    Args:
        kk: a client of the shop.
        keys: the ids, each as the file has it.
        is_sure: whether the list must be read whole. Otherwise what cannot be read of it is told, and no more.

    Raises:
        KakaCloError: KakaClo could not be asked.
    """
    names = _Names(keys)
    families = defaultdict[str, list[Order]](list)
    strange: list[Order | Undecodable] = []
    is_in_use = False
    since = datetime.now(UTC) - timedelta(days=LOOK_BACK_DAYS)
    listed = list_orders(sender_of(kk.bulk()), created_from=since).listing
    try:
        async with aclosing(listed.rows()) as rows:
            async for row in rows:
                is_in_use = True
                meant = names.meant_by(field_of(row, "customOrderId"))
                order = recognizable(row) if meant else None
                if meant is None or (meant and order is None):
                    strange.append(row)
                for key in meant or ():
                    if order is not None:
                        families[key].append(order)
        if strange:
            raise unreadable(strange)
    except (IncompletePull, DecodeError) as error:
        if is_sure:
            raise
        tell(f"KakaClo's orders could not all be compared with the file's, and this run goes on: {error}")
    return Seen({key: sorted(rows, key=by_number) for key, rows in families.items()}, is_in_use)


class _Names:
    """The custom order ids that are looked for; lists were seen to write them in capitals."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = set(keys)
        self._folded = defaultdict[str, list[str]](list)
        for key in self._keys:
            self._folded[key.casefold()].append(key)

    def meant_by(self, name: object) -> Sequence[str] | None:
        """Return the ids that one of KakaClo's may mean; None when its damage hides whether it means any."""
        if not isinstance(name, str) or is_damaged(name):
            return None if any(may_mean(name, key) for key in self._keys) else ()
        name = name.strip()
        return [name] if name in self._keys else self._folded.get(name.casefold(), ())


async def wait_until_all_show(kk: KakaClo, quiet_time: float) -> None:
    """Wait until an order shows that another journal placed just before this one was new.

    A sandbox is not waited for: its minutes are its own.
    """
    if environment_name(kk._base_url) == "local" or not quiet_time:  # noqa: SLF001 - packages share privates
        return
    until = datetime.now().astimezone() + timedelta(seconds=quiet_time)
    tell(
        f"the shop has orders that this journal did not place, and the latest may not show yet: nothing is sent before"
        f" {until:%H:%M:%S} (--quiet-time {quiet_time:g}); this happens once for each new journal"
    )
    await asyncio.sleep(quiet_time)


def tell_of_others(count: int) -> None:
    """Say that another journal, or none, is in use for the same orders."""
    tell(
        f"{count} of the file's orders were placed without this journal: share one (--journal or KAKACLO_JOURNAL), for"
        " orders that two journals send at the same time are placed twice"
    )


def tell(text: str) -> None:
    """Write a line to stderr, at once."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
