"""`kk.refunds`, blocking."""

from __future__ import annotations

from kakaclo_async.resources import refunds
from kakaclo_sync.derive import Face, blocking


class Refunds(Face[refunds.Refunds]):
    """`kk.refunds`."""

    plan = blocking(refunds.Refunds.plan)
    request = blocking(refunds.Refunds.request)
    of = blocking(refunds.Refunds.of)
    wait = blocking(refunds.Refunds.wait)
