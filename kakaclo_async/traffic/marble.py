"""The right to send one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from kakaclo_async.errors import APIError, DecodeError, RateLimited

if TYPE_CHECKING:
    from types import TracebackType

    from kakaclo_async.traffic.gate import Gate

__all__ = ["Marble"]


class Marble:
    """The right to send one request; a context around sending it and reading its answer.

    Attributes:
        waited: seconds that it took to get it.
        probe: whether everybody waits for what becomes of this request, after a 429.
    """

    __slots__ = ("_bucket_said", "_gate", "probe", "waited")

    def __init__(self, gate: Gate, waited: float, *, probe: bool) -> None:
        self.waited = waited
        self.probe = probe
        self._gate = gate
        self._bucket_said = False

    def throttled(self, retry_after: float | None) -> None:
        """Tell the gate that the answer was a 429.

        Args:
            retry_after: seconds that the server asked to wait, or None.
        """
        self._bucket_said = True
        self._gate._throttled(retry_after, probe=self.probe)  # noqa: SLF001 - the gate's other half

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bucket_said:
            return
        if isinstance(error, RateLimited):
            self.throttled(error.retry_after)
        elif self.probe:
            answered = error is None or isinstance(error, (APIError, DecodeError))
            self._gate._probed(passed=answered)  # noqa: SLF001 - the gate's other half
