"""One write in a journal, and where it stands."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import cast

import attrs


class WriteStatus(StrEnum):
    """Where a write stands."""

    READY = "ready"
    """It was surely not carried out, and who submitted it was told; it may be submitted again."""
    LOST = "lost"
    """KakaClo surely did not get it, and nobody has submitted it again since that was found out."""
    SENDING = "sending"
    """A worker holds it; a request may be on its way."""
    IN_DOUBT = "in doubt"
    """A request may have arrived, and nobody holds it."""
    DONE = "done"
    """It was carried out."""


@attrs.frozen(kw_only=True)
class Entry:
    """One write, as the journal has it; it never shows its payload.

    Attributes:
        kind: "order", "refund" or "design".
        key: an order's custom order id; for a refund, what starts with KakaClo's order number.
        standing: where it stood, at `seen_at`.
        outcome: the number that KakaClo gave, once it is done.
        why: what the last attempt, or the last look, ended with.
        attempts: requests that may have left.
        sent_from: no attempt was made before.
        sent_until: no byte of any attempt left after.
        settles_at: when a look can tell for sure; None when nothing is in doubt.
        created_at: when the intent was written down.
        seen_at: when the journal was read.
    """

    kind: str
    key: str
    standing: WriteStatus
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
        return self.standing in {WriteStatus.READY, WriteStatus.LOST}

    @property
    def may_be_settled(self) -> bool:
        """Whether a look can tell by now."""
        return self.settles_at is not None and self.settles_at <= self.seen_at


def digest_of(payload: bytes) -> str:
    """Return what equal payloads have in common, whatever the order of their fields and of their items."""
    return hashlib.sha256(_text(_unordered(json.loads(payload))).encode()).hexdigest()


def _unordered(value: object) -> object:
    match value:
        case dict():
            fields = cast("dict[str, object]", value)
            return {name: _unordered(part) for name, part in fields.items()}
        case list():
            return sorted(map(_unordered, cast("list[object]", value)), key=_text)
        case _:
            return value


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def moment(seconds: float) -> datetime:
    """Return a time from seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)
