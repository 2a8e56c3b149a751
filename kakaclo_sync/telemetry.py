"""OpenTelemetry for the blocking client: see `kakaclo_async.telemetry`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakaclo_async.telemetry import watch
from kakaclo_sync.client import own_client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from kakaclo_sync.client import KakaClo


def instrument(
    kk: KakaClo,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    attributes: Mapping[str, str] | None = None,
) -> Callable[[], None]:
    """Make spans and metrics of all that a client does, all its views together.

    The span that is current where a blocking call is made is the parent of the call's.

    Args:
        kk: the client.
        tracer_provider: makes the spans; None: the global one.
        meter_provider: makes the metrics; None: the global one.
        attributes: of every span and every metric; tell two clients in one process apart by them.

    Returns:
        A function that ends it; calls under way are told to their end.

    Raises:
        ConfigurationError: the client is instrumented already, or an argument will not do.
    """
    kk = own_client(kk)
    bridge, client = kk._bridge, kk._target()  # noqa: SLF001 - packages share privates
    base_url = client._base_url  # noqa: SLF001 - see above
    return watch.watch(bridge, kk.on_event, kk.stats, base_url, tracer_provider, meter_provider, attributes)
