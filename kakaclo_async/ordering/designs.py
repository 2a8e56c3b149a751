"""Designs for a journal: KakaClo answers a new one with an empty string, so it is found by what it was not before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from kakaclo_async.errors import Conflict, IncompletePull, KakaCloError, OutcomeUnknown
from kakaclo_async.models.custom import MaterialImage, NewDesign
from kakaclo_async.ordering.leases import Writes
from kakaclo_async.ordering.writes import Reconciliation
from kakaclo_async.resources.custom import alike, send_design, unknown_design

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kakaclo_async.ordering.leases import Attempt
    from kakaclo_async.ordering.writes import Entry
    from kakaclo_async.sending import Sender


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
