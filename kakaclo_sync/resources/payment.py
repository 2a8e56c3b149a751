"""`kk.payment`, blocking."""

from __future__ import annotations

from kakaclo_async.resources import reference as payment
from kakaclo_sync.derive import Face, blocking


class Payment(Face[payment.Payment]):
    """`kk.payment`."""

    balance = blocking(payment.Payment.balance)
