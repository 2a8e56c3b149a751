"""The engine's database is away: whoever asks hears so soon and in plain words, and work goes on soon after."""

from __future__ import annotations

from support.fleet import written
from support.postgresql import needs_postgresql

from kakaclo_async.fleet import Fleet


@needs_postgresql()
async def test_after_an_outage_of_any_length_the_database_is_tried_again_within_seconds(tmp_path, shared):
    from psycopg_pool.base import AttemptWithBackoff

    path = written(tmp_path, [("a", "t", {})], **shared)
    await Fleet.open(path).migrate()
    async with Fleet.open(path) as fleet:
        attempt = AttemptWithBackoff(timeout=fleet._engine._sql.connector._async_pool.reconnect_timeout)
    outage, delays = 0.0, [0.0]
    while outage < 3600 and not attempt.time_to_give_up(outage):
        attempt.update_delay(outage)
        delays.append(attempt.delay)
        outage += attempt.delay + 0.001
    assert max(delays) < 5, "and having given up, it begins anew for the next tick"
