"""Rate limiting: the bucket of permits, and the gate with its lanes in front of it.

Every request costs one permit:

    permit = await gate.enter(lane, max_wait=30.0)  # again=True for a retry: to the head of its lane
    with permit:  # permit.waited: seconds in the queue
        ...  # build the request, send it and read the answer

How the block is left tells the gate what became of the request. `RateLimited`: all calls hold, and one probe goes
out after the pause. Nothing, or an error that an answer brought (`APIError`, `DecodeError`): the bucket had room.
Anything else, such as no answer or a cancellation, says nothing, and when that request was the probe, the next one
is. Code that does not raise inside the block calls `permit.throttled(retry_after)` there. A permit always needs its
block: a probe that never reports keeps all other calls waiting.
"""
