"""One write in a journal, its status and its lease; and what reading KakaClo back says of many."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import re
import time
import weakref
from collections import Counter
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from kakaclo_async.errors import LeaseLost, Rejected
from kakaclo_async.models._checks import as_country
from kakaclo_async.models.common import Number
from kakaclo_async.models.freight import Item, as_channel_type, item_as_read
from kakaclo_async.travel.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


class WriteStatus(StrEnum):
    """Where a write stands."""

    NOT_SENT = "not sent"
    """Not executed, and the submitter was told. May be submitted again."""
    NOT_EXECUTED = "not executed"
    """KakaClo surely did not get it, and it was not submitted again since that was found out."""
    WAITING = "waiting"
    """It was added, and waits for `drain` or a submit; nothing of it is on its way."""
    DECLINED = "declined"
    """KakaClo declined it when the journal sent it. May be added or submitted again."""
    SENDING = "sending"
    """A worker holds its lease; a request may be on its way."""
    UNKNOWN = "unknown"
    """A request may have arrived, and no worker holds its lease."""
    DONE = "done"
    """It was carried out."""


@attrs.frozen(kw_only=True)
class Entry(Shown):
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
        server_until: `sent_until` on KakaClo's clock, in seconds since 1970; None when no answer had a `Date`.
        sent_with: a mark of the token that the last attempt was made with; None when it is not known.
        is_witnessed: whether `settles_at` was measured by the monotonic clock of this process, which made the last
            attempt.
    """

    _shown = ("kind", "key", "status", "outcome", "why", "attempts")

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
    marks: str | None = attrs.field(default=None, repr=False)
    server_until: float | None = attrs.field(default=None, repr=False)
    is_witnessed: bool = attrs.field(default=False, repr=False)
    sent_with: str | None = attrs.field(default=None, repr=False)

    @property
    def number(self) -> Number:
        """The outcome with every other number that KakaClo gave beside it; empty while there is none."""
        notes = cast("dict[str, list[str]]", json.loads(self.notes or "{}"))
        return Number(*notes.get("numbers", [self.outcome or ""]))

    @property
    def may_be_sent(self) -> bool:
        """Whether it was surely not carried out."""
        return self.status not in {WriteStatus.SENDING, WriteStatus.UNKNOWN, WriteStatus.DONE}

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
        return tuple(item_as_read(sku, quantity) for sku, quantity in asked.items())


@attrs.define(eq=False)
class Lease:
    """A claim on one write.

    Attributes:
        token: what the journal knows it by.
        timeout: seconds that one attempt takes at most.
        until: seconds since 1970; nothing is sent after.
        deadline: the same moment on the event loop's clock, which guards against wall-clock adjustments.
        now: tells the time, aware.
        ended: when the attempt ended, on the event loop's clock; None while it may go on.
        sent_with: a mark of the token that it is made with, as far as the journal knows it.
    """

    token: str
    timeout: float
    until: float
    deadline: float
    now: Callable[[], datetime]
    ended: float | None = None
    sent_with: str | None = None

    def check(self) -> None:
        """Raise `LeaseLost` unless the lease still holds."""
        if self.now().timestamp() >= self.until or asyncio.get_running_loop().time() >= self.deadline:
            raise LeaseLost("the lease in the journal ran out while the request waited for its turn")

    def end(self) -> None:
        """Note that nothing of the attempt can leave any more."""
        self.ended = asyncio.get_running_loop().time()


class Moment:
    """A moment on clocks that nothing sets: the running event loop's, and the system's monotonic one."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop = weakref.ref(loop)
        self._loop_time = loop.time()
        self._monotonic = time.monotonic()

    def seconds_since(self, loop_time: float, witness: Moment) -> float:
        """Return the seconds from a time of the witness's event loop until this moment."""
        if self._loop() is witness._loop():
            return self._loop_time - loop_time
        return self._monotonic - witness._monotonic - (loop_time - witness._loop_time)


@attrs.frozen(eq=False)
class Witness:
    """What a process knows, without any wall clock, of the last attempt at a write.

    Attributes:
        attempt: its number.
        lease: its lease, which tells when the attempt ended or will have to.
        seen: when the lease was taken.
    """

    attempt: int
    lease: Lease
    seen: Moment = attrs.field(factory=Moment)

    def seconds_since_the_end(self, now: Moment) -> float:
        """Return for how long nothing of the attempt can have left."""
        lease = self.lease
        ended = lease.deadline + lease.timeout if lease.ended is None else lease.ended
        return now.seconds_since(ended, self.seen)


witnesses: Final[dict[tuple[str, str, str], Witness]] = {}
"""What this process knows of the attempts that it made, by database, kind and key: all its journals share it."""


@attrs.frozen
class TheirClock:
    """What KakaClo's `Date` says of an unknown write.

    Attributes:
        attempts: of the write, when the look began.
        until: when its last attempt ended on KakaClo's clock, in seconds since 1970.
        settles_in: seconds until its quiet time is over; None when that is no later than our own clock has it.
    """

    attempts: int
    until: float
    settles_in: float | None


@attrs.frozen(kw_only=True)
class Reconciliation:
    """What a look at KakaClo brought.

    Attributes:
        found: numbers of what was carried out, by key.
        unclear: why a write can be called neither found nor absent, by key.
        complete: whether everything was seen, so that what was not found is absent.
        resembling: what may be a write under another name, by key; unclear unless the journal knows it as another.
    """

    found: Mapping[str, str]
    unclear: Mapping[str, str] = attrs.field(factory=dict[str, str])
    complete: bool = True
    resembling: Mapping[str, Sequence[Resembling]] = attrs.field(factory=dict[str, "Sequence[Resembling]"])


@attrs.frozen
class Resembling:
    """What may be a write of the journal, under a name that is not its key.

    Attributes:
        number: KakaClo's.
        name: the key that it bears, if any.
    """

    number: str
    name: str | None


_OF_THE_SHOP: Final = re.compile(r"balance|\bfunds?\b|余额", re.IGNORECASE)


def refuses_this(error: BaseException) -> bool:
    """Whether KakaClo declined one write, rather than all: a balance that is too low is no fault of an order."""
    return isinstance(error, Rejected) and not _OF_THE_SHOP.search(error.message)


def flat_fields(payload: bytes) -> dict[str, str]:
    """Return the fields of a JSON body by their paths, each as JSON that knows no order of lines."""
    fields: dict[str, str] = {}
    for name, value in cast("dict[str, object]", json.loads((payload or b"{}").decode())).items():
        parts = cast("dict[str, object]", value) if isinstance(value, dict) else {"": value}
        for part, inner in parts.items():
            if isinstance(inner, list):
                inner = sorted(map(_text, cast("list[object]", inner)))  # noqa: PLW2901 - the same, in one order
            fields[f"{name}.{part}".rstrip(".")] = _text(inner)
    return fields


def field_marks(key: str, payload: bytes) -> dict[str, str]:
    """Return a byte of a hash for each field: enough to name what differs, too little to find out what it was."""
    return {
        name: hashlib.sha256(f"{key}\0{name}\0{value}".encode()).hexdigest()[:2]
        for name, value in flat_fields(payload).items()
    }


def digest_of(payload: bytes) -> str:
    """Return what equal payloads have in common, whatever the order of their fields and of their items."""
    return hashlib.sha256(_text(_unordered(json.loads(payload.decode()))).encode()).hexdigest()


def is_same(entry: Entry, payload: bytes) -> bool:
    """Tell whether an entry is of this payload.

    Earlier versions wrote countries, channel types and SKUs as they were given: "us". Nothing may be a conflict with
    itself for that.
    """
    digest = digest_of(payload)
    return entry.digest == digest or any(
        digest_of(body) == entry.digest for body in _as_given(entry, payload)
    )


def _as_given(entry: Entry, payload: bytes) -> Iterator[bytes]:
    """Yield an order as an earlier version may have written it."""
    body, kept = (cast("dict[str, Any]", json.loads(text)) for text in (payload, entry.payload or b"{}"))
    if entry.kind != "order" or "orderItemsList" not in kept:
        return
    lines = [{**line, "sku": line["sku"].strip()} for line in kept["orderItemsList"]]
    if _unordered(lines) != _unordered(body["orderItemsList"]):
        return
    address, channel = body["orderAddresses"], body["channelType"]
    countries, channels = (_spellings(address["country"]), _spellings(channel))
    if "orderAddresses" in kept:  # all of it is there
        countries, channels = [kept["orderAddresses"]["country"]], [kept["channelType"]]
    for code, name in itertools.product(countries, channels):
        if as_country(code) == address["country"] and as_channel_type(name) == channel:
            given = {"orderAddresses": {**address, "country": code}, "channelType": name}
            yield json.dumps({**body, **given, "orderItemsList": kept["orderItemsList"]}).encode()


def _spellings(text: str) -> list[str]:
    return list(dict.fromkeys([text, text.lower(), text.upper(), text.capitalize()]))


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


def first_failure(failures: Sequence[Exception]) -> Exception:
    """Return the error to raise, with the others as its notes: a write that was declined is not pending any more."""
    first = next((error for error in failures if isinstance(error, Rejected)), failures[0])
    for error in failures:
        if error is not first:
            first.add_note(str(error) or type(error).__name__)
    return first
