"""Designs for a journal: KakaClo answers a new one with an empty string, so it is found by what it was not before."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Final, cast

import attrs

from kakaclo_async.codec import to_wire_time
from kakaclo_async.errors import Conflict, IncompletePull, KakaCloError, OutcomeUnknown
from kakaclo_async.protocol import Request
from kakaclo_async.resources._polling import poll
from kakaclo_async.resources.writes import Reconciliation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kakaclo_async.models.custom import Design
    from kakaclo_async.resources.custom import Custom
    from kakaclo_async.resources.writes import Attempt, UnknownWrite


_PATH: Final = "/v1/product/custom/customDesigned/addProduct"


@attrs.frozen
class Unrecorded:
    """An attempt without a journal."""

    key: str
    payload: bytes = attrs.field(repr=False)

    def may_leave(self) -> None:
        """Let it leave."""

    async def note(self, text: str) -> None:
        """Keep nothing."""


def design_key(payload: bytes) -> str:
    """Return what a journal knows a design by: all of it."""
    return hashlib.sha256(payload).hexdigest()[:32]


class DesignWrites:
    """Adds designs; a key is what `design_key` makes, a payload the body of the POST.

    Before the POST it notes which designs look the same already, and after it that KakaClo took it.

    Args:
        custom: searches and sends.
        patience: seconds to wait until a new design shows up; None for as long as it takes.
    """

    kind = "design"

    def __init__(self, custom: Custom, patience: float | None = 0.0) -> None:
        self._custom = custom
        self._sender = custom._sender  # noqa: SLF001 - the other half of the same endpoints
        self._patience = patience

    @property
    def timeout(self) -> float:
        """Seconds that one attempt takes at most."""
        return self._sender.options.timeout

    async def send(self, attempt: Attempt) -> str:
        """Add the design, wait until it shows up, and return its number."""
        before = [str(design.id) for design in await self._alike(attempt.payload)]
        await attempt.note(json.dumps({"before": before}))

        def build() -> Request[object]:
            attempt.may_leave()
            return Request(method="POST", path=_PATH, body=attempt.payload, result=object, writes=True)

        try:
            await self._sender.send(build)
        except OutcomeUnknown as error:
            raise self.in_doubt(attempt.key, str(error.__cause__ or error), None) from error.__cause__
        try:
            await attempt.note(json.dumps({"before": before, "taken": True}))
            return await self._appeared(attempt.payload, before)
        except (KakaCloError, asyncio.CancelledError) as error:
            raise self.in_doubt(
                attempt.key, f"KakaClo took it, and it is not seen yet ({error})", None
            ) from error

    async def _appeared(self, payload: bytes, before: Sequence[str]) -> str:
        async def look() -> list[Design]:
            return [design for design in await self._alike(payload) if str(design.id) not in before]

        designs = await poll(look, bool, timeout=self._patience, too_late=lambda _: "it does not show up")
        return str(designs[0].id)

    async def _alike(self, payload: bytes) -> list[Design]:
        """Return the designs that look like a new one, oldest first."""
        new = cast("dict[str, object]", json.loads(payload))
        model = await self._custom.model(int(str(new["modelId"])))
        codes = None if model.model_code is None else [model.model_code]
        alike = [
            design
            async for design in self._custom.designs(model_codes=codes)
            if design.id is not None
            and (design.en_name, design.image_url, design.back_image_url or None)
            == (new["enName"], new["imageUrl"], new.get("backImageUrl"))
        ]
        return sorted(alike, key=lambda design: design.id or 0)

    async def look(self, doubts: Sequence[UnknownWrite], *, thorough: bool) -> Reconciliation:
        """Search the designs for those that are new.

        `POST /v1/product/custom/customDesigned/search`, in the bulk lane
        """
        del thorough  # a search knows no window that could be too narrow
        found: dict[str, str] = {}
        unclear: dict[str, str] = {}
        complete = True
        for doubt in doubts:
            notes = cast("dict[str, object]", json.loads(doubt.notes or "{}"))
            try:
                numbers = [str(design.id) for design in await self._alike(doubt.payload)]
            except IncompletePull:
                complete = False
                continue
            known = {*cast("list[str]", notes.get("before", numbers)), *found.values()}
            if new := [number for number in numbers if number not in known]:
                found[doubt.key] = new[0]
            elif notes.get("taken"):
                unclear[doubt.key] = "KakaClo took it, and it does not show up"
        return Reconciliation(found=found, unclear=unclear, complete=complete)

    def spare(self, payload: bytes) -> bytes:
        """Return all of it: there is no address in it."""
        return payload

    def in_doubt(self, key: str, text: str, settles_at: datetime | None) -> OutcomeUnknown:
        """Make the error for a design in doubt."""
        then = "" if settles_at is None else f": it can be settled at {to_wire_time(settles_at)}"
        return OutcomeUnknown(
            f"design {key} may or may not have been added: {text}; look for it in custom.designs, or add it again"
            f" with the same journal{then}",
            settles_at=settles_at,
        )

    def conflict(self, key: str) -> Conflict:
        """Make the error for a key that came with another design, which takes two equal hashes."""
        return Conflict(f"the journal knows another design under {key}")
