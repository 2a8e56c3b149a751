"""Who sends what when: the bucket of permits, the gate with its lanes, batching, caching.

Every request costs one permit:

    permit = await gate.enter(lane, max_wait=30.0)  # again=True for a retry: to the head of its lane
    with permit:  # permit.waited: seconds in the queue
        ...  # send it and read the answer

How the block is left tells the gate what became of the request. `RateLimited`: everybody holds, and one
probe goes out after the pause. Nothing, or an error that an answer brought (`APIError`, `DecodeError`): the
bucket had room. Anything else, such as no answer or a cancellation, says nothing, and when that request
was the probe, the next one is. A pipeline that does not raise inside the block calls `permit.throttled(retry_after)`
there. A permit always needs its block (building the request belongs inside): a probe that never reports keeps
all others waiting.

Look-ups of single codes go through one `Batcher` for each selector and lane. It wants a request function whose
`build` runs when the permit is there, and which has no `max_wait` of its own:

    async def fetch(take):
        page = await caller.patient().send(lambda: stocks_request(skus=take()))
        return {level.sku: level for level in page}

    stocks = Batcher(fetch, missing=no_such_sku, eta=lambda: gate.eta(lane))
    level = await stocks.get("AMN00432_B_M", max_wait=30.0)
"""

from kakaclo_async.ratelimit.bucket import Bucket, Offer, RateLimit
from kakaclo_async.ratelimit.gate import Gate, Permit
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.ratelimit.redis import RedisBucket
from kakaclo_async.sharing.batching import Batcher
from kakaclo_async.sharing.caching import Cache

__all__ = ["Batcher", "Bucket", "Cache", "Gate", "LocalBucket", "Offer", "Permit", "RateLimit", "RedisBucket"]
