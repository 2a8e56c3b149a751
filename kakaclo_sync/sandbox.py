"""The local KakaClo for blocking callers: the same sandbox, on an event loop thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import attrs

from kakaclo_async import sandbox
from kakaclo_async.sandbox import Settings
from kakaclo_sync.bridge import Bridge

if TYPE_CHECKING:
    from collections import Counter, deque
    from datetime import datetime
    from types import TracebackType

    from kakaclo_async.sandbox import Catalog, Faults, Ledger, Placed, Served
    from kakaclo_sync.loop_thread import LoopThread


def _pass_on(instance: Sandbox, attribute: attrs.Attribute[Any], value: Any) -> Any:
    async def change() -> None:
        setattr(instance._core, attribute.name, value)  # noqa: SLF001 - a hook of that class

    if instance._thread is None:  # noqa: SLF001
        setattr(instance._core, attribute.name, value)  # noqa: SLF001
    else:
        instance._thread.run(change)  # noqa: SLF001 - on the thread that answers requests, as `skip`
    return value


@attrs.define(kw_only=True, eq=False, repr=False, on_setattr=_pass_on)
class Sandbox(Settings):
    """A local KakaClo, with state, to build and test against.

    It listens between `start` and `close`, or inside `with`. All state survives a stop: started again, it
    goes on at the same port, as after an outage. A forked child can talk to it, but not steer it.
    """

    _core: sandbox.Sandbox = attrs.field(init=False, on_setattr=attrs.setters.NO_OP)
    _bridge: Bridge[sandbox.Sandbox] | None = attrs.field(
        init=False, default=None, on_setattr=attrs.setters.NO_OP
    )
    _thread: LoopThread | None = attrs.field(init=False, default=None, on_setattr=attrs.setters.NO_OP)

    def __attrs_post_init__(self) -> None:
        settings = {field.name: getattr(self, field.name) for field in attrs.fields(Settings)}
        self._core = sandbox.Sandbox(**settings)

    def __repr__(self) -> str:
        return repr(self._core)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return self._core.url

    @property
    def faults(self) -> Faults:
        """What shall go wrong."""
        return self._core.faults

    @property
    def log(self) -> deque[Served]:
        """The requests that came in, oldest first; at most `log_size`."""
        return self._core.log

    @property
    def requests(self) -> Counter[str]:
        """How many requests came in, by path."""
        return self._core.requests

    @property
    def throttled(self) -> int:
        """How many requests found the bucket full."""
        return self._core.throttled

    @property
    def catalog(self) -> Catalog:
        """The products and their stock: to read and compare with, and to edit while no request is under way."""
        return self._core.catalog

    @property
    def ledger(self) -> Ledger:
        """The orders, the refunds and the balance."""
        return self._core.ledger

    @property
    def journal(self) -> list[Placed]:
        """One entry per order that was accepted and paid, in order: here a duplicate shows."""
        return self._core.journal

    @property
    def level(self) -> float:
        """Requests in the leaky bucket now."""
        return self._core.level

    def now(self) -> datetime:
        """Return the sandbox's wall clock time."""
        return self._core.now()

    def skip(self, seconds: float) -> None:
        """Let virtual seconds pass at once: the bucket leaks, orders ship, refunds settle, the index catches up.

        Raises:
            ClientClosed: this process has forked from the one that runs the sandbox.
        """
        if self._thread is None:
            self._core.skip(seconds)
            return

        async def skip() -> None:  # on the thread that answers requests
            self._core.skip(seconds)

        self._thread.run(skip)

    def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: it listens already.
            OSError: the port is taken.
        """
        self._start()

    def _start(self) -> LoopThread:
        if self._bridge is not None:
            raise RuntimeError("the sandbox is running already")
        core = self._core
        self._bridge = Bridge(lambda: core, sandbox.Sandbox.aclose)
        try:
            self._thread = thread = self._bridge.thread()
            thread.run(core.start)
        except BaseException:
            self.close()
            raise
        self.port = core.port
        return thread

    def serve_forever(self) -> None:
        """Listen until Ctrl-C."""
        thread = self._thread or self._start()
        try:
            thread.run(self._core.serve_forever)
        finally:
            self.close()

    def close(self) -> None:
        """Stop listening; requests without an answer are cut off. Harmless when stopped."""
        if self._bridge is not None:
            self._bridge.close()
        self._bridge = self._thread = None
