"""`kk.freight`, blocking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, cast, overload

from kakaclo_async.resources import freight
from kakaclo_sync.derive import Face, blocking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kakaclo_async.errors import KakaCloError
    from kakaclo_async.models.freight import FreightQuote, FreightRequest


class Freight(Face[freight.Freight]):
    """`kk.freight`."""

    quote = blocking(freight.Freight.quote)
    quote_many = cast("_QuoteManyMethod", blocking(freight.Freight.quote_many))
    matrix = blocking(freight.Freight.matrix)
    channels = blocking(freight.Freight.channels)


class _QuoteMany(Protocol):
    # A ParamSpec takes one signature, and this method has two.
    @overload
    def __call__(
        self,
        requests: Iterable[FreightRequest],
        on_error: Literal["raise"] = "raise",
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[FreightQuote, ...]: ...
    @overload
    def __call__(
        self,
        requests: Iterable[FreightRequest],
        on_error: Literal["collect"],
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[FreightQuote | KakaCloError, ...]: ...


class _QuoteManyMethod(Protocol):
    def __get__(self, instance: object, owner: type[object], /) -> _QuoteMany: ...
