"""The values of options: how a text is read, what the shell completes, and how a coroutine is waited for."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import FrameType
from typing import Final, NoReturn, TypeVar

from kakaclo_async import ChannelType, InvalidRequest, Item, OrderStatus, RefundReason
from kakaclo_async.models._checks import check_country
from kakaclo_async.models.address_checks import COUNTRIES

WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,16}")
"""A quantity, the way that files and options write it: no sign, no blanks, no digits of other alphabets."""

Complete = Callable[[str], list[str]]
"""Takes what was typed so far, and returns what it may become."""


T = TypeVar("T")


def run_async(job: Coroutine[object, object, T]) -> T:
    """Run a job to its end; Ctrl-C and SIGTERM cancel it, and wait until it has cleaned up.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
        asyncio.CancelledError: after SIGTERM.
    """

    async def cancellable() -> T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs has a task
        with suppress(NotImplementedError):  # Windows knows no SIGTERM
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await job

    return asyncio.run(cancellable())


@contextmanager
def ended_by_signals() -> Generator[socket.socket]:
    """Let Ctrl-C and SIGTERM end what blocks the event loop, which would make cancellations of them, too late.

    Yields what can be read once a signal has come.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        asyncio.CancelledError: SIGTERM.
    """
    ends = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: _terminated}
    told, tells = socket.socketpair()
    tells.setblocking(False)
    with told, tells:
        loop = signal.set_wakeup_fd(tells.fileno())  # the loop would cancel the clean-up, besides
        before = {number: signal.signal(number, end) for number, end in ends.items()}
        try:
            yield told
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(loop)


def _terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    raise asyncio.CancelledError


def read_items(texts: Iterable[str]) -> tuple[Item, ...]:
    """Read `SKU:QTY` texts; a SKU alone is one piece.

    Raises:
        InvalidRequest: no SKU, or a quantity that is not a whole number above 0.
    """
    return tuple(map(_item, texts))


def _item(text: str) -> Item:
    sku, colon, quantity = text.partition(":")
    if not sku.strip() or (colon and not WHOLE_NUMBER.fullmatch(quantity)):
        raise InvalidRequest(f"{text!r} is not SKU:QTY, for example AMN00432_B_M:2")
    return Item(sku, int(quantity) if colon else 1)


def read_countries(texts: Iterable[str]) -> tuple[str, ...]:
    """Read country codes, with or without commas between them, once each.

    Raises:
        InvalidRequest: one that is no code.
    """
    codes = [code for text in texts for code in text.split(",") if code.strip()]
    return tuple(dict.fromkeys(map(check_country, codes)))


def read_time(text: str, option: str) -> datetime:
    """Read an ISO 8601 time.

    Raises:
        InvalidRequest: not such a time, or one without a time zone.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(
            f"{option} {text!r} is not an ISO 8601 time, for example 2024-05-01T00:00:00Z"
        ) from None
    if moment.tzinfo is None:
        raise InvalidRequest(f"{option} {text!r} has no time zone: write {moment.isoformat()}Z if it is UTC")
    return moment.astimezone(UTC)


class _InBash(str):
    """A word as bash inserts it: it puts what it is given into the line as it is, blanks and apostrophes too."""

    __slots__ = ()

    def startswith(self, *_typed: object) -> bool:  # typer asks; it was written otherwise
        return True


def _inserted(word: str) -> str:
    """Return a word as the shell that asks inserts it; all others than bash quote by themselves."""
    if os.environ.get("_KAKACLO_COMPLETE") != "complete_bash":
        return word
    words, place = os.environ.get("COMP_WORDS", "").split("\n"), int(os.environ.get("COMP_CWORD", "0"))
    typed = words[place] if place < len(words) else ""
    if typed.startswith("'"):  # the quote stays open, and bash closes it
        return _InBash(word.replace("'", r"'\''"))
    return _InBash(re.sub(r'(["$`\\])' if typed.startswith('"') else r"([^\w@%+=:,./-])", r"\\\1", word))


def one_of(words: Iterable[str], *, after: str = "") -> Complete:
    """Complete one of some words, by their first letters.

    Args:
        words: as they are written.
        after: a sign behind which the word stands, if there is any: of `SERVICE=TYPE` the type is completed.
    """
    known = [str(word) for word in words]

    def complete(incomplete: str) -> list[str]:
        before, sign, typed = incomplete.rpartition(after) if after else ("", "", incomplete)
        if after and not sign:
            return []
        return [_inserted(f"{before}{sign}{word}") for word in known if word.startswith(typed)]

    return complete


def several_countries(incomplete: str) -> list[str]:
    """Complete the last of some country codes with commas between them."""
    return country(incomplete) if "," not in incomplete else one_of(sorted(COUNTRIES), after=",")(incomplete)


country: Final = one_of(sorted(COUNTRIES))
channel: Final = one_of(ChannelType)
reason: Final = one_of(RefundReason)
status: Final = one_of(OrderStatus)


def moving(incomplete: str) -> list[str]:
    """Complete how a sandbox's catalog moves."""
    from kakaclo_async.sandbox.settings import MOVING

    return one_of(MOVING)(incomplete)


def faults(incomplete: str) -> list[str]:
    """Complete a set of faults, or a kind of fault with its sign."""
    from kakaclo_async.sandbox.http.faults import FAULTS, FaultKind

    return one_of([*FAULTS, *(f"{kind}=" for kind in FaultKind)])(incomplete)


def settings(incomplete: str) -> list[str]:
    """Complete the name of a sandbox's setting with its sign."""
    from attrs import fields

    from kakaclo_async.sandbox.settings import Settings

    return one_of(f"{field.name}=" for field in fields(Settings))(incomplete)
