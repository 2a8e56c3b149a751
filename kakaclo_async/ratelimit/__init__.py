"""Rate limiting: the bucket of permits, and the gate with its lanes in front of it.

Every request costs one permit:

    permit = await gate.enter(lane, max_wait=30.0)  # again=True for a retry: to the head of its lane
    with permit:  # permit.waited: seconds in the queue
        ...  # build the request, send it and read the answer

How the block is left tells the gate what became of the request. `RateLimited`: all calls hold, and one probe goes
out after the pause. Nothing, or an error that an answer brought (`APIError`, `DecodeError`): the bucket had room.
`ConnectionFailed` with `sent=False`: the request never left, and its permit goes to the next call. Anything else, such
as no answer or a cancellation, says nothing, and when that request was the probe, the next one is. Code that does not
raise inside the block calls `permit.throttled(retry_after)` or `permit.give_back()` there. A permit always needs its
block: a probe that never reports keeps all other calls waiting, for `PROBE_LEASE` seconds.
"""
