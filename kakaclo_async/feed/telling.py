"""How events are appended: by all who write them, one after the other."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import insert, update

from kakaclo_async.feed.events import OrderSplit
from kakaclo_async.feed.tables import event, head, lock
from kakaclo_async.feed.transitions import Fact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection


class Telling:
    """Appends events: it locks the one row that all writers of events lock, and counts on from its number."""

    def __init__(self, connection: Connection, now: float, shop: str | None) -> None:
        self._connection = connection
        self._now = now
        self._shop = shop
        self._first = self._seq = lock(connection)
        self._rows: list[dict[str, object]] = []

    def tell(self, fact: Fact, order_id: str | None, custom_order_id: str | None) -> None:
        """Append an event."""
        self._seq += 1
        name = "\0".join([self._shop or "", order_id or str(self._seq), fact.key])
        digest = hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()
        told = fact.kind(
            seq=self._seq,
            id=f"evt_{digest[:32]}",
            at=datetime.fromtimestamp(self._now, UTC),
            happened_at=fact.happened_at,
            shop=self._shop,
            order_id=order_id,
            custom_order_id=custom_order_id,
            **fact.fields,
        )
        document = json.dumps(told.document, separators=(",", ":"))  # ASCII: PostgreSQL takes no NUL
        lane = custom_order_id or order_id or ""
        self._rows.append({"seq": self._seq, "lane": lane, "at": self._now, "document": document})

    def split(self, name: str, numbers: Sequence[str]) -> None:
        """Tell that KakaClo made several orders of one."""
        fact = Fact(f"split:{','.join(numbers)}", OrderSplit, {"numbers": tuple(numbers)})
        self.tell(fact, numbers[0], name)

    def end(self) -> int:
        """Write them down, and return how many there are."""
        if self._rows:
            self._connection.execute(insert(event), self._rows)
            self._connection.execute(update(head).values(last_seq=self._seq))
        return self._seq - self._first
