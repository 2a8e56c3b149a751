"""Refunds for a journal: ask for one, and find out whether KakaClo got it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import attrs

from kakaclo_async.codec import decode, encode, to_wire_time
from kakaclo_async.errors import Conflict, OutcomeUnknown
from kakaclo_async.models import NewRefund, Page, Refund
from kakaclo_async.protocol import Request, path
from kakaclo_async.resources.checks import check_code
from kakaclo_async.resources.writes import Findings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kakaclo_async.caller import Caller
    from kakaclo_async.resources.writes import Attempt, Doubt

__all__ = ["REFUND_PATH", "RefundWrites", "marked", "post_refund", "refund_key", "refunds_query"]

REFUND_PATH = "/v2/order/orders/{}/refund"
_REFUNDS_PATH = "/v2/order/orders/refund/{}"
