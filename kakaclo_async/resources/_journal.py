"""What `journal=` takes, seen from below: `kakaclo_async.ordering.Journal` fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from datetime import datetime

    from kakaclo_async.models.custom import NewDesign
    from kakaclo_async.models.freight import Item
    from kakaclo_async.models.new_order import NewOrder
    from kakaclo_async.models.refund import RefundItem
    from kakaclo_async.sending import Sender


@attrs.frozen(kw_only=True)
class RefundRequest:
    """A refund as it was asked for, before the lines of the order are filled in.

    Attributes:
        order_id: KakaClo's order number.
        items: what to refund; None for the whole order.
        reason: a `RefundReason`, or any other text.
        remark: free text for KakaClo's staff; the reason by default.
        again: tells this refund from an equal one before.
    """

    order_id: str
    items: tuple[Item | RefundItem, ...] | None
    reason: str
    remark: str | None = attrs.field(default=None, repr=False)
    again: str = ""


class KnownOrder(Protocol):
    """What a journal knows of an order."""

    @property
    def items(self) -> tuple[Item, ...]:
        """What was asked for."""
        ...

    @property
    def sent_from(self) -> datetime | None:
        """No attempt was made before."""
        ...


class WriteJournal(Protocol):
    """A write-ahead log that carries writes out exactly once."""

    async def recall(self, kind: str, key: str) -> KnownOrder | None:
        """Return what was carried out, or may have been; None when nothing was."""
        ...

    async def once(
        self,
        sender: Sender,
        write: NewOrder | RefundRequest | NewDesign,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the error says what is unknown
    ) -> str:
        """Carry a write out exactly once, across crashes and workers, and return its number.

        Args:
            sender: sends it, and reads back what may have been sent.
            write: equal writes are one.
            timeout: seconds to go on while the outcome is unknown; None until it can be settled.

        Raises:
            Conflict: the journal knows another write under the same key.
            OutcomeUnknown: it is still unknown.
            KakaCloError: it was surely not carried out.
        """
        ...
