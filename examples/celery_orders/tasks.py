"""Workers that quote freight and place the orders of a shop, each exactly once, whatever dies meanwhile.

Run them against a local KakaClo and a Redis, each line in a shell of its own:

    kakaclo sandbox --index-lag 0 --log
    KAKACLO_BASE_URL=http://127.0.0.1:8700/openapi KAKACLO_TOKEN=sandbox-token celery -A tasks worker

    >>> from tasks import place
    >>> place.delay({"custom_order_id": "A-1", "address": {...}, "items": [...]}).get()

It needs `kakaclo[catalog,redis]` and celery.
"""

import os
from functools import cache
from typing import Any

from celery import Celery, Task
from celery.result import AsyncResult
from celery.signals import worker_process_init, worker_process_shutdown

from kakaclo_sync import (
    ConnectionFailed,
    DatabaseAway,
    DeadlineExceeded,
    Journal,
    KakaClo,
    KakaCloError,
    LeaseLost,
    OutcomeUnknown,
    RateLimited,
    RedisBucket,
    ServerError,
)

PASSING = (
    ConnectionFailed,
    DatabaseAway,
    DeadlineExceeded,
    LeaseLost,
    OutcomeUnknown,
    RateLimited,
    ServerError,
)
"""What ends by itself: a busy or absent KakaClo or database, and an order in doubt, which the journal finds."""

PATIENCE = 5.0  # seconds that a process waits for an order in doubt, before it goes on with other tasks
BROKER = os.environ.get("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0")

app = Celery("tasks", broker=BROKER, backend=os.environ.get("CELERY_RESULT_BACKEND", BROKER))
app.conf.update(
    task_acks_late=True,  # a task that was not finished goes to another worker: the journal makes that harmless
    task_reject_on_worker_lost=True,  # also when its process was killed
    worker_prefetch_multiplier=1,  # an order waits in the queue, not behind another one in a worker
)


@cache
def client() -> KakaClo:
    """Return the client of this process. With `--pool threads` it is made by the first task."""
    # All workers have one token, so they share its bucket, where there is a Redis for it.
    bucket = RedisBucket(BROKER, key="shop") if BROKER.startswith("redis") else None
    return KakaClo(bucket=bucket, allow_http=os.environ.get("SHOP_ALLOW_HTTP") == "1")


@cache
def journal() -> Journal:
    """Return the journal; all workers share its database. On several machines it is a PostgreSQL."""
    return Journal(os.environ.get("SHOP_JOURNAL", "sqlite:///orders.db"))


@worker_process_init.connect
def open_client(**_: object) -> None:
    """Make the client after the fork, so that a wrong setting shows in the log at once."""
    client()


@worker_process_shutdown.connect
def close_client(**_: object) -> None:
    """Close it. A process that is killed leaves nothing behind that matters."""
    client().close()


class Discreet(Task):
    """A task whose arguments show in no log, no event and no `celery inspect`: an order has an address."""

    def apply_async(self, args: Any = None, kwargs: Any = None, *more: Any, **options: Any) -> AsyncResult:
        """Send it."""
        shown = {"argsrepr": "(...)", "kwargsrepr": "{...}"}
        return super().apply_async(args, kwargs, *more, **options | shown)


@app.task(throws=(KakaCloError,))
def quote(items: list[dict[str, object]], country: str) -> dict[str, object]:
    """Quote the freight of a cart. What goes wrong is raised again by `get`, with its class and its sentence."""
    return client().freight.quote(items, country).to_dict()


@app.task(base=Discreet, bind=True, max_retries=None, default_retry_delay=30)
def place(self: Task, order: dict[str, object]) -> dict[str, object]:
    """Place an order; return it or the error as plain data, of which `KakaCloError.from_dict` makes an error again.

    The same order again, in any worker, is the same order: its `custom_order_id` tells. One without it is known by its
    task, however often that runs.
    """
    known = order | {"custom_order_id": order.get("custom_order_id") or self.request.id}
    try:
        return client().orders.submit(known, journal=journal(), timeout=PATIENCE).to_dict()
    except PASSING as trouble:  # try again later; the journal keeps that from being a second order
        raise self.retry(exc=trouble) from trouble
    except KakaCloError as error:  # with all its facts, of which Celery's JSON would keep the sentence only
        return error.to_dict()
