"""The engine's database is away: whoever asks hears so soon and in plain words, and work goes on soon after."""

from __future__ import annotations

import pytest
from support.fleet import written
from support.ports import free_port
from support.postgresql import needs_postgresql

from kakaclo_async.errors import DatabaseAway
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


@pytest.mark.process  # a driver of PostgreSQL looks for its library
async def test_a_fleet_whose_database_is_away_says_so_soon_and_why(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("kakaclo_async.fleet.engine._PATIENCE", 0.0)
    url = f"postgresql://somebody:PASSWORD@127.0.0.1:{free_port()}/fleet"
    path = written(tmp_path, [("a", "t", {})], engine=url, home=url, bucket="redis://127.0.0.1:1")
    with pytest.raises(
        DatabaseAway, match="the fleet's database cannot be used: Connection refused"
    ) as failure:
        async with Fleet.open(path):
            pass
    assert "PASSWORD" not in str(failure.value)
    assert caplog.text == "", "no line of a driver's"
