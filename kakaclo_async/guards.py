"""Guards: limits on what a client may do. All are off by default."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.config import check_number
from kakaclo_async.errors import ConfigurationError, InvalidRequest
from kakaclo_async.transport.endpoint import environment_name
from kakaclo_async.travel.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kakaclo_async.protocol import Request


_HOUR: Final = 3600.0


def _amount(amount: Decimal | int | str | None) -> Decimal | None:
    if isinstance(amount, float):
        raise ConfigurationError("max_order_amount must be a Decimal, an int or a str: floats are not exact")
    try:
        exact = None if amount is None else Decimal(amount)
    except (InvalidOperation, TypeError, ValueError):
        raise ConfigurationError(
            f"max_order_amount must be an amount of US dollars, not {amount!r}"
        ) from None
    if exact is not None and exact.is_nan():
        raise ConfigurationError("max_order_amount must be an amount of US dollars, not NaN")
    return exact


def _names(names: Iterable[str] | None) -> frozenset[str] | None:
    if isinstance(names, str):
        raise ConfigurationError("environments must be a set of names, not one str")
    return None if names is None else frozenset(names)


@attrs.frozen(slots=True, kw_only=True)
class Guards(Shown):
    """What a client refuses to do.

    Attributes:
        read_only: nothing that changes anything at KakaClo is sent.
        max_order_amount: US dollars that one order may cost, freight included; an order that costs more, or whose
            price cannot be found out, is refused. Costs two requests for each order: its products and its freight.
        max_orders_per_hour: orders that are sent, in any 60 minutes, by this client and all its views; other clients
            and processes count their own. An order that is sent again because it was in doubt counts again; one
            that surely never left does not count.
        environments: where the client may talk to: "production", "test", "local" (this machine), or a base URL.
    """

    read_only: bool = False
    max_order_amount: Decimal | None = attrs.field(default=None, converter=_amount)
    max_orders_per_hour: int | None = None
    environments: frozenset[str] | None = attrs.field(default=None, converter=_names)

    def __attrs_post_init__(self) -> None:
        if self.max_order_amount is not None and not self.max_order_amount >= 0:
            raise ConfigurationError(f"max_order_amount must be at least 0, not {self.max_order_amount}")
        if self.max_orders_per_hour is not None:
            check_number("max_orders_per_hour", self.max_orders_per_hour, whole=True)


class Guard:
    """Applies the guards of one client.

    Attributes:
        active: whether any guard is set.
        max_order_amount: US dollars that one order may cost.

    Args:
        guards: what to refuse.
        base_url: where the client talks to.

    Raises:
        ConfigurationError: it may not talk to there.
    """

    def __init__(self, guards: Guards, base_url: str) -> None:
        self.active = guards != Guards()
        self.max_order_amount = guards.max_order_amount
        self._guards = guards
        self._placed: deque[float] = deque()
        allowed = guards.environments
        if allowed is not None and not {environment_name(base_url), base_url} & allowed:
            raise ConfigurationError(
                f"this client's guards allow {', '.join(sorted(allowed)) or 'no environment'},"
                f" not {environment_name(base_url)}"
            )

    def admit(self, request: Request[object]) -> float | None:
        """Let a request pass, and count an order; it counts until `withdraw` takes it back.

        Returns:
            What `withdraw` takes, for an order that is counted.

        Raises:
            InvalidRequest: the guards refuse it.
        """
        if not request.writes:
            return None
        if self._guards.read_only:
            raise InvalidRequest(f"{request.label} was not sent: this client is read-only")
        if request.custom_order_id is None or request.again:
            return None
        if self._guards.max_order_amount is not None and request.path.startswith("/v1/"):
            raise InvalidRequest(
                f"order {request.custom_order_id!r} was not sent: max_order_amount guards kk.orders, not kk.v1"
            )
        return self._count(request.custom_order_id)

    def withdraw(self, counted: float | None) -> None:
        """Take back an order that never left."""
        if counted is not None:
            with suppress(ValueError):  # an hour ago: it counts no more
                self._placed.remove(counted)

    def _count(self, custom_order_id: str) -> float | None:
        limit = self._guards.max_orders_per_hour
        if limit is None:
            return None
        now = asyncio.get_running_loop().time()
        while self._placed and self._placed[0] <= now - _HOUR:
            self._placed.popleft()
        if len(self._placed) >= limit:
            wait = f" in {self._placed[0] + _HOUR - now:.0f} s" if self._placed else ""
            raise InvalidRequest(
                f"order {custom_order_id!r} was not sent: this client's guards allow {limit} orders per hour;"
                f" submit it again{wait}"
            )
        self._placed.append(now)
        return now
