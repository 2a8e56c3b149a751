"""Refunds and designs for a journal: ask for one, and find out whether KakaClo got it.

A refund that is queried shows its remark, and not its items: the journal's refunds carry a mark in the remark. KakaClo
answers a new design with an empty string, so it is found by what it was not before.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, cast

import attrs

from kakaclo_async.codec import DAMAGED, Undecodable, encode, to_wire_time
from kakaclo_async.codec.embedded import read_loose_text
from kakaclo_async.errors import (
    Conflict,
    DecodeError,
    IncompletePull,
    InvalidRequest,
    KakaCloError,
    NotFound,
    OutcomeUnknown,
    Rejected,
)
from kakaclo_async.models.custom import MaterialImage, NewDesign
from kakaclo_async.models.refund import Refund, order_label
from kakaclo_async.ordering.leases import Writes
from kakaclo_async.ordering.writes import Reconciliation
from kakaclo_async.resources.custom import alike, send_design, unknown_design
from kakaclo_async.resources.orders.requests import may_mean
from kakaclo_async.resources.refunds import REFUNDS_PATH, ask_for_refund, plan_refund, refund_rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from kakaclo_async.ordering.leases import Attempt
    from kakaclo_async.ordering.writes import Entry
    from kakaclo_async.resources._journal import RefundRequest
    from kakaclo_async.sending import Sender


class RefundWrites(Writes):
    """Asks for refunds; a key is what `refund_key` makes, a payload the body of the POST.

    Args:
        sender: sends, and looks.
        custom_order_id: your own number of the one order that they are about, if it is known.
    """

    kind = "refund"

    def __init__(self, sender: Sender, custom_order_id: str | None = None) -> None:
        super().__init__(sender)
        self._custom_order_id = custom_order_id

    async def send(self, attempt: Attempt) -> str:
        """Ask for the refund and return its number."""
        return await ask_for_refund(
            self.sender,
            _order_id(attempt.key),
            attempt.payload,
            custom_order_id=self._custom_order_id,
            check_lease=attempt.check,
        )

    async def reconcile(self, unknown: Sequence[Entry], *, thorough: bool) -> Reconciliation:
        """Read all refunds of the orders concerned, and match the marks in their remarks.

        `GET /v2/order/orders/refund/{id}`, once for each page of each order, in the bulk lane
        """
        del thorough  # a list of one order's refunds is always read to its end
        bulk = self.sender.bulk(urgent=True)
        found: dict[str, str] = {}
        unclear: dict[str, str] = {}
        failure: KakaCloError | None = None
        for order_id in dict.fromkeys(_order_id(entry.key) for entry in unknown):
            entries = [entry for entry in unknown if _order_id(entry.key) == order_id]
            try:
                refunds = [_legible(row) for row in await refund_rows(bulk, REFUNDS_PATH, order_id)]
            except (IncompletePull, NotFound, Rejected, DecodeError) as error:
                # The refunds of other orders may be read all the same.
                unclear |= {
                    entry.key: f"the refunds of order {order_id} cannot be read: {error}" for entry in entries
                }
                continue
            except KakaCloError as error:
                failure = error  # what was found before is found
                break
            for entry in entries:
                for refund in refunds:
                    if _is_marked(refund, entry.key) and refund.refund_no is not None:
                        found[entry.key] = refund.refund_no
                    elif why := _doubtful(refund, entry):
                        unclear[entry.key] = f"refund {refund.refund_no} of order {order_id} {why}"
        if failure is not None and not found:
            raise failure
        unclear = {key: why for key, why in unclear.items() if key not in found}
        return Reconciliation(found=found, unclear=unclear, complete=failure is None)

    def unknown(self, key: str, why: str, settles_at: datetime) -> OutcomeUnknown:
        """Make the error for a refund that may have been asked for."""
        order_id = _order_id(key)
        return OutcomeUnknown(
            f"a refund of {order_label(order_id, self._custom_order_id)} may or may not have been asked for: {why};"
            f" ask for it again with the same journal: it can be settled at {to_wire_time(settles_at)}",
            custom_order_id=self._custom_order_id,
            order_id=order_id,
            settles_at=settles_at,
        )

    def conflict(self, key: str, entry: Entry | None = None, payload: bytes = b"") -> Conflict:
        """Make the error for a refund that the journal has with other lines."""
        del entry, payload
        order_id = _order_id(key)
        return Conflict(
            f"the journal has the same refund of {order_label(order_id, self._custom_order_id)} with other lines:"
            " the order has changed since; look at refunds.of, and pass again= if another is meant",
            custom_order_id=self._custom_order_id,
            order_id=order_id,
        )


async def prepare_refund(
    sender: Sender, asked: RefundRequest, recall: Callable[[str, str], Awaitable[Entry | None]]
) -> tuple[RefundWrites, str, bytes]:
    """Return how to ask for a refund, its key and its payload: the journal's, or one that is made from the order.

    Args:
        sender: queries the order.
        asked: the refund.
        recall: returns what the journal has of a kind under a key.

    Raises:
        InvalidRequest: as `Refunds.plan` does.
        Rejected: likewise.
    """
    key = refund_key(asked)
    known = await recall(RefundWrites.kind, key)
    if known is None:
        try:
            plan = await plan_refund(sender, asked)
        except (InvalidRequest, Rejected):
            # The order may show the very refund that another worker has asked for meanwhile.
            known = await recall(RefundWrites.kind, key)
            if known is None:
                raise
        else:
            refund = attrs.evolve(plan.refund, remark=f"{plan.refund.remark} [{_mark(key)}]")
            return RefundWrites(sender, plan.custom_order_id), key, encode(refund)
    return RefundWrites(sender), key, known.payload


def refund_key(asked: RefundRequest) -> str:
    """Return what a journal knows a refund by: the order, and what was asked, in whatever order."""
    items = asked.items
    lines = None if items is None else sorted(json.dumps(attrs.asdict(item)) for item in items)
    text = json.dumps([lines, asked.reason, asked.remark, asked.again])
    return f"{asked.order_id}/{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _mark(key: str) -> str:
    return "ref " + key.partition("/")[2]


def _legible(row: Refund | Undecodable) -> Refund:
    """Return what a refund is recognized by, as far as it can be read: one without a remark may be any."""
    if isinstance(row, Refund):
        return row
    number, remark = map(read_loose_text, map(row.fields.get, ("refundNo", "remark")))
    return Refund(refund_no=number, remark=remark)


def _is_marked(refund: Refund, key: str) -> bool:
    return _mark(key).casefold() in (refund.remark or "").casefold()


def _doubtful(refund: Refund, entry: Entry) -> str | None:
    """Return why a refund may be the entry's without its mark: none shows, or a part of it."""
    remark = (refund.remark or "").strip().casefold()
    if remark in ("", "null"):
        return "shows no remark"
    sent = str(json.loads(entry.payload).get("remark") or "").casefold()
    own_text = sent.rpartition(f"[{_mark(entry.key)}]")[0].strip()
    is_cut = len(remark) > len(own_text) and sent.startswith(remark)
    is_damaged = DAMAGED in remark and may_mean(remark + DAMAGED, sent)
    return "shows a part of its mark" if is_cut or is_damaged else None


def _order_id(key: str) -> str:
    return key.partition("/")[0]


class DesignWrites(Writes):
    """Adds designs; a key is what `design_key` makes, a payload the body of the POST.

    Args:
        sender: searches and sends.
        design: the one to add; None: as the journal has it.
        patience: seconds to wait until a new design shows up; None for as long as it takes.
    """

    kind = "design"

    def __init__(self, sender: Sender, design: NewDesign | None = None, patience: float | None = 0.0) -> None:
        super().__init__(sender)
        self._design = design
        self._patience = patience

    async def send(self, attempt: Attempt) -> str:
        """Add the design, wait until it shows up, and return its number."""
        return await send_design(
            self.sender,
            self._design or read_design(attempt.payload),
            attempt.payload,
            patience=self._patience,
            check_lease=attempt.check,
            note=attempt.note,
        )

    async def reconcile(self, unknown: Sequence[Entry], *, thorough: bool) -> Reconciliation:
        """Search the designs for new ones.

        `POST /v1/product/custom/customDesigned/search`, in the bulk lane
        """
        del thorough  # a search knows no window that could be too narrow
        found: dict[str, str] = {}
        unclear: dict[str, str] = {}
        complete, failure = True, None
        for entry in unknown:
            notes = cast("dict[str, object]", json.loads(entry.notes or "{}"))
            try:
                seen = await alike(self.sender, read_design(entry.payload))
            except IncompletePull:
                complete = False
                continue
            except KakaCloError as error:
                complete, failure = False, error  # what was found before is found
                break
            before = cast("list[str]", notes.get("before", [*seen.numbers, *seen.doubtful]))
            known = {*before, *found.values()}
            if new := [number for number in seen.numbers if number not in known]:
                found[entry.key] = new[0]
            elif doubtful := [number for number in seen.doubtful if number not in known]:
                unclear[entry.key] = (
                    f"design {doubtful[0] or 'without a number'} cannot be read: it may be this one"
                )
            elif notes.get("taken"):
                unclear[entry.key] = "KakaClo took it, and it does not show up"
        if failure is not None and not found:
            raise failure
        return Reconciliation(found=found, unclear=unclear, complete=complete)

    def unknown(self, key: str, why: str, settles_at: datetime) -> OutcomeUnknown:
        """Make the error for a design that may have been added."""
        return unknown_design(key, why, settles_at)

    def conflict(self, key: str, entry: Entry | None = None, payload: bytes = b"") -> Conflict:
        """Make the error for a key that came with another design, which takes two equal hashes."""
        del entry, payload
        return Conflict(f"the journal knows another design under {key}")


def read_design(payload: bytes) -> NewDesign:
    """Return the design of a payload."""
    body = json.loads(payload)
    images = [
        MaterialImage(image["imageName"], image["imageUrl"]) for image in body.get("materialImages", ())
    ]
    return NewDesign(
        model_id=body["modelId"],
        en_name=body["enName"],
        image_url=body["imageUrl"],
        back_image_url=body.get("backImageUrl"),
        material_images=images,
        color_value=body.get("colorValue"),
    )
