"""One write in a journal and its status; and what reading KakaClo back says of many."""

from __future__ import annotations

import json
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, cast

import attrs

from kakaclo_async.models.freight import Item

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class WriteStatus(StrEnum):
    """Where a write stands."""

    NOT_SENT = "not sent"
    """Not executed, and the submitter was told. May be submitted again."""
    NOT_EXECUTED = "not executed"
    """KakaClo surely did not get it, and it was not submitted again since that was found out."""
    SENDING = "sending"
    """A worker holds its lease; a request may be on its way."""
    UNKNOWN = "unknown"
    """A request may have arrived, and no worker holds its lease."""
    DONE = "done"
    """It was carried out."""


@attrs.frozen(kw_only=True)
class Entry:
    """One write, as the journal has it; it never shows its payload.

    Attributes:
        kind: "order", "refund" or "design".
        key: an order's custom order id; for a refund, what starts with KakaClo's order number.
        status: where it stood, at `seen_at`.
        outcome: the number that KakaClo gave, once it is done.
        why: what the last attempt, or the last look, ended with.
        attempts: requests that may have left.
        sent_from: no attempt was made before.
        sent_until: no byte of any attempt left after.
        settles_at: when a look can tell for sure; None when nothing is unknown.
        created_at: when the intent was written down.
        seen_at: when the journal was read.
    """

    kind: str
    key: str
    status: WriteStatus
    outcome: str | None
    why: str | None
    attempts: int
    sent_from: datetime | None
    sent_until: datetime | None
    settles_at: datetime | None
    created_at: datetime
    seen_at: datetime
    payload: bytes = attrs.field(repr=False)
    digest: str = attrs.field(repr=False)
    notes: str | None = attrs.field(repr=False)

    @property
    def may_be_sent(self) -> bool:
        """Whether it was surely not carried out."""
        return self.status in {WriteStatus.NOT_SENT, WriteStatus.NOT_EXECUTED}

    @property
    def may_be_settled(self) -> bool:
        """Whether a look can tell by now."""
        return self.settles_at is not None and self.settles_at <= self.seen_at

    @property
    def items(self) -> tuple[Item, ...]:
        """What an order asks for, equal SKUs added up; empty for other kinds."""
        if self.kind != "order" or not self.payload:
            return ()
        asked = Counter[str]()
        for line in cast("list[dict[str, object]]", json.loads(self.payload)["orderItemsList"]):
            asked[str(line["sku"])] += int(str(line["quantity"]))
        return tuple(Item(sku, quantity) for sku, quantity in asked.items())


@attrs.frozen(kw_only=True)
class Reconciliation:
    """What a look at KakaClo brought.

    Attributes:
        found: numbers of what was carried out, by key.
        unclear: why a write can be called neither found nor absent, by key.
        complete: whether everything was seen, so that what was not found is absent.
    """

    found: Mapping[str, str]
    unclear: Mapping[str, str] = attrs.field(factory=dict[str, str])
    complete: bool = True
