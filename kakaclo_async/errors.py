"""Every error the package raises; one class for each decision that a caller makes.

    KakaCloError
    ├── ConfigurationError     fix the settings (also a ValueError)
    │   ├── MissingExtra       install what the text names (also an ImportError)
    │   └── DatabaseAway       the database cannot be used now; it may be back soon
    ├── InvalidRequest         fix the arguments; no permit was spent (also a ValueError)
    ├── Conflict               the journal knows another payload under this id; nothing was sent
    ├── LeaseLost              another worker may claim this write by now; nothing was sent
    ├── ClientClosed           the client was closed before or during the call
    ├── DeadlineExceeded       too late; `retry_in` says when a permit is due (also a TimeoutError)
    ├── ConnectionFailed       no answer; `sent` says whether the request may have arrived
    ├── OutcomeUnknown         a write is in doubt: look it up before sending it again
    ├── IncompletePull         a stream ended, and some ranges may lack rows: `certificate.gaps`
    ├── DecodeError            an answer that cannot be read; `where` is the path in the document
    └── APIError               KakaClo answered, and said no
        ├── Unauthorized       401, 403: refresh the token on KakaClo's API settings page
        ├── NotFound           nothing under that code or number
        ├── RateLimited        429: the shop's bucket is full; `retry_after` in seconds, or None
        ├── ServerError        5xx, and 408, 425, 499: trouble on the way, as a gateway has it
        └── Rejected           a business code other than 10000, or another 4xx
            └── NoFreight      nothing ships these items to that country

A write ends with an APIError only if it surely had no effect (`declined`); otherwise with OutcomeUnknown.

No error ever holds a token, an address or a phone number. All of them can be pickled, travel as plain data, and are
made of their text alone by task queues that keep no more of them: their facts are then the most careful ones.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeVar, cast

from kakaclo_async.travel import refuses
from kakaclo_async.travel.errors import TravellingError, rebuild

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kakaclo_async.models.pull import Certificate


E = TypeVar("E", bound=BaseException)


class KakaCloError(TravellingError, Exception):
    """The base of all errors of this package."""


def copy_error(error: E) -> E:
    """Return a copy of an error for one more caller.

    An exception object collects a traceback on its way up; the same one must not travel in several tasks.
    """
    try:
        other = copy.copy(error)
    except Exception:  # noqa: BLE001 - an error of other code, whose class cannot be called with its `args`
        other = rebuild(type(error), error.args, vars(error))
    other.__cause__, other.__context__ = error.__cause__, error.__context__
    other.__suppress_context__ = error.__suppress_context__
    return other.with_traceback(error.__traceback__)


def without_frames(error: E) -> E:
    """Return an error that brings no frames along, nor do those behind it: their locals hold what none may repeat."""
    todo, done = [cast("BaseException", error)], set[int]()
    while todo:
        other = todo.pop()
        if id(other) not in done:
            done.add(id(other))
            other.__traceback__ = None
            todo += [behind for behind in (other.__context__, other.__cause__) if behind is not None]
    return error


_NOT_SECRET = frozenset({"method", "path", "custom_order_id", "order_id"})  # they name what an error is about


def scrub_error(error: BaseException, scrub: Callable[[str], str]) -> None:
    """Strike secrets out of an error, its facts and notes, and out of all errors behind it.

    An error of other code cannot be rewritten: one that holds a secret is replaced by its name and its scrubbed text.
    """
    todo, done = [error], set[int]()
    while todo:
        error = todo.pop()
        if id(error) in done:
            continue
        done.add(id(error))
        if isinstance(error, KakaCloError):
            error.args = tuple(scrub(part) if isinstance(part, str) else part for part in error.args)
            for name, fact in vars(error).items():
                if isinstance(fact, str) and name not in _NOT_SECRET:
                    setattr(error, name, scrub(fact))
            notes = cast("list[str]", getattr(error, "__notes__", []))
            notes[:] = map(scrub, notes)
        behind = [other for other in (error.__context__, error.__cause__) if other is not None]
        clean = {id(other): _without_secrets(other, scrub) for other in behind}
        for link, other in (("__context__", error.__context__), ("__cause__", error.__cause__)):
            if other is not None and clean[id(other)] is not other:
                setattr(error, link, clean[id(other)])
        todo += clean.values()


def _without_secrets(error: BaseException, scrub: Callable[[str], str]) -> BaseException:
    if isinstance(error, KakaCloError):
        return error
    try:
        shown = "\n".join((str(error), repr(error), repr(error.args), repr(vars(error))))
    except Exception:  # noqa: BLE001 - then nobody can tell what it would show
        text, harmless = "", False
    else:
        text, harmless = str(error), scrub(shown) == shown
    if harmless:
        return error
    other = KakaCloError(scrub(f"{type(error).__name__}: {text}")).with_traceback(error.__traceback__)
    other.__cause__, other.__context__ = error.__cause__, error.__context__
    return other


class ConfigurationError(KakaCloError, ValueError):
    """A setting is missing or cannot work: a token, an address, a database URL."""


class MissingExtra(ConfigurationError, ImportError):
    """A package is not installed that an extra of this one brings; the text says how to install it."""


class DatabaseAway(ConfigurationError):
    """The database cannot be used at the moment; it may be back soon."""


@refuses
class InvalidRequest(KakaCloError, ValueError):
    """An argument breaks a documented limit of the API; nothing was sent."""


class Conflict(KakaCloError):
    """The journal knows this id with another payload; nothing was sent.

    Attributes:
        custom_order_id: the id, when it was an order's.
        order_id: KakaClo's order number, when it was about an existing order.
    """

    def __init__(
        self, message: str, *, custom_order_id: str | None = None, order_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.custom_order_id = custom_order_id
        self.order_id = order_id


class LeaseLost(KakaCloError):
    """A worker's lease on a write in the journal ran out before the request could leave; nothing was sent."""


class ClientClosed(KakaCloError):
    """The client is closed; make a new one."""


class DeadlineExceeded(KakaCloError, TimeoutError):
    """The call cannot, or could not, end in time.

    Attributes:
        retry_in: seconds until a permit is due for this call, or None when the time went elsewhere.
    """

    def __init__(self, message: str, *, retry_in: float | None = None) -> None:
        super().__init__(message)
        self.retry_in = retry_in


class ConnectionFailed(KakaCloError):
    """No answer arrived.

    Attributes:
        sent: False when the request surely never left; True when it may have been executed, or nothing is known of it.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class OutcomeUnknown(KakaCloError):
    """A write was sent and its outcome is not known; never send it again without looking first.

    A blocking call that was interrupted after its write was carried out raises it, too: then `number` is set.

    Attributes:
        custom_order_id: the id to look the order up by, when an order was being created.
        order_id: KakaClo's order number, when the write was about an existing order, or was carried out.
        number: what KakaClo called the order, refund or design that surely was made; None while that is not known.
        settles_at: when a journal can settle it; None without a journal.
    """

    def __init__(
        self,
        message: str,
        *,
        custom_order_id: str | None = None,
        order_id: str | None = None,
        number: str | None = None,
        settles_at: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.custom_order_id = custom_order_id
        self.order_id = order_id
        self.number = number
        self.settles_at = settles_at


class IncompletePull(KakaCloError):
    """A stream gave all it could, and some ranges may lack rows; it is raised after the last row.

    Attributes:
        certificate: the stream's `Certificate`; its `gaps` are the ranges to pull again later.
    """

    def __init__(self, message: str, *, certificate: Certificate | None = None) -> None:
        super().__init__(message)
        if certificate is None:
            from kakaclo_async.models.pull import Certificate  # noqa: PLC0415 - models are above errors

            certificate = Certificate()
        self.certificate: Certificate = certificate


class DecodeError(KakaCloError):
    """An answer cannot be read.

    Attributes:
        where: the path in the document (`data.list[3].skuDetails[0].price`), or "body" for all of it.
        reason: what is wrong there, without the value itself.
    """

    def __init__(self, reason: str, *, where: str | None = None) -> None:
        if where is None:
            where, reason = reason.split(": ", 1) if ": " in reason else ("body", reason)
        super().__init__(f"{where}: {reason}")
        self.reason = reason
        self.where = where


class APIError(KakaCloError):
    """KakaClo answered, and refused.

    Attributes:
        status: the HTTP status; 0 when it was lost on the way of the error.
        code: the `code` of the envelope, or None when there was none.
        message: what KakaClo said, shortened.
        method: the HTTP method of the request.
        path: the path of the request, below the base URL and without its query.
        retry_after: seconds that the server asked to wait, or None when it named none.
        declined: whether the request surely had no effect: KakaClo declined it in its own words (a JSON document with
            `code` or `error`), or a rate limiter did. False where a gateway may have answered for KakaClo, or the
            answer may have come after the effect.
    """

    declined: bool = False

    def __init__(
        self,
        text: str,
        *,
        status: int = 0,
        code: int | str | None = None,
        message: str = "",
        method: str = "",
        path: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.message = message
        self.method = method
        self.path = path
        self.retry_after = retry_after


class Unauthorized(APIError):
    """The token is missing, wrong, expired or not allowed here."""

    declined = True


class NotFound(APIError):
    """Nothing is known under that code or number."""

    declined = True


class RateLimited(APIError):
    """The shop's bucket is full."""

    declined = True

    def __init__(
        self,
        text: str,
        *,
        status: int = 429,
        code: int | str | None = None,
        message: str = "",
        method: str = "",
        path: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(
            text, status=status, code=code, message=message, method=method, path=path, retry_after=retry_after
        )


class ServerError(APIError):
    """KakaClo, or something in front of it, is in trouble; try again later."""


class Rejected(APIError):
    """KakaClo understood the request and declined it; a read may also be declined by a gateway's page."""

    declined = True


class NoFreight(Rejected):
    """Nothing ships these items to that country; the text names both."""
