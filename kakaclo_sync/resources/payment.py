"""`kk.payment`, blocking."""

from __future__ import annotations

from kakaclo_async.resources import payment
from kakaclo_sync.derive import Face, blocking

__all__ = ["Payment"]


class Payment(Face[payment.Payment]):
    """`kk.payment`."""

    balance = blocking(payment.Payment.balance)
