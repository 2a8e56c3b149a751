"""The event feed that KakaClo lacks: what happens to orders, kept and posted (`pip install kakaclo[catalog]`).

Receivers of webhooks need no database: `verify_signature` and `read_event` work without the extra.
"""

from typing import TYPE_CHECKING

from kakaclo_async.extras import loaded_when_used
from kakaclo_async.feed.events import (
    BalanceLow,
    FeedEvent,
    OrderCancelled,
    OrderCompleted,
    OrderPaid,
    OrderShipped,
    OrderSplit,
    RefundSettled,
    read_event,
)
from kakaclo_async.feed.webhook import SIGNATURE_HEADER, Webhook, verify_signature

if TYPE_CHECKING:
    from kakaclo_async.feed.asking import Turn as Turn
    from kakaclo_async.feed.delivery import Delivery as Delivery
    from kakaclo_async.feed.feed import Feed as Feed

# Loaded when they are first used: they need a database.
_MODULES = {"Delivery": "delivery", "Feed": "feed", "Turn": "asking"}

__all__ = [
    "SIGNATURE_HEADER",
    "BalanceLow",
    "Delivery",
    "Feed",
    "FeedEvent",
    "OrderCancelled",
    "OrderCompleted",
    "OrderPaid",
    "OrderShipped",
    "OrderSplit",
    "RefundSettled",
    "Turn",
    "Webhook",
    "read_event",
    "verify_signature",
]

if not TYPE_CHECKING:  # type checkers would let every name pass
    __getattr__, __dir__ = loaded_when_used(__name__, _MODULES)
