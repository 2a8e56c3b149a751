"""OpenTelemetry: spans for calls and requests, and metrics that tell the queue from the network.

`pip install 'kakaclo[otel]'` brings the API of OpenTelemetry alone; the program chooses the SDK and the exporter.
"""

from kakaclo_async.errors import MissingExtra

try:
    from kakaclo_async.telemetry.watch import instrument
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "opentelemetry":
        raise
    raise MissingExtra("telemetry needs OpenTelemetry: pip install 'kakaclo[otel]'") from None

__all__ = ["instrument"]
