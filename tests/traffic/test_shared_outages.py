"""The shared bucket while Redis is away: demoted, loading, hanging, dead, or back with less than it had."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal

import pytest
import redis
from support import redis_server
from support.ports import free_port

from kakaclo_async.errors import ConfigurationError, ConnectionFailed, RateLimited
from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.ratelimit.gate import Gate
from kakaclo_async.ratelimit.redis import RedisBucket

INTERACTIVE, BULK = Lane.INTERACTIVE, Lane.BULK

HEALS = [
    "READONLY You can't write against a read only replica.",
    "ERR Error running script: @user_script:5: READONLY You can't write against a read only replica.",
    "NOREPLICAS Not enough good replicas to write.",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "LOADING Redis is loading the dataset in memory",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "CLUSTERDOWN The cluster is down",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "EXECABORT Transaction discarded because of previous errors.",
    "ERR max number of clients reached",
    "UNKILLABLE Sorry the script already executed write commands against the dataset.",
    "ERR something that no one has heard of",
]
NEVER_HEALS = [
    "NOAUTH Authentication required.",
    "WRONGPASS invalid username-password pair or user is disabled.",
    "NOPERM this user has no permissions to run the 'evalsha' command",
    "ERR ACL failure in script: this user has no permissions to run the 'hset' command",
    "ERR unknown command 'EVALSHA', with args beginning with: ",
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "ERR DB index is out of range",
    "MOVED 7000 10.0.0.1:6379",
]


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr("kakaclo_async.ratelimit.redis._ALONE", 0.02)


@pytest.fixture
async def fake():
    async with redis_server.Fake().running() as fake:
        yield fake


@pytest.fixture
async def make_gate():
    gates = []

    def make(url, capacity=100, per_second=200.0, *, fallback="local"):
        bucket = RedisBucket(url, rate_limit=RateLimit(capacity, per_second, 0), fallback=fallback)
        gates.append(Gate(bucket, reserve=3))
        return gates[-1]

    yield make
    for gate in gates:
        await gate.aclose()


async def call(gate, lane=INTERACTIVE):
    with await gate.enter(lane):
        pass


def is_alone(gate):
    return "(alone)" in repr(gate)


async def comes_back(gate):
    async with asyncio.timeout(60):
        while is_alone(gate):
            await call(gate)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("refusal", HEALS)
async def test_what_heals_by_itself_is_an_outage_even_at_first(fake, make_gate, refusal):
    fake.refusal = refusal
    gate, strict = make_gate(fake.url), make_gate(fake.url, fallback="error")
    await call(gate)
    assert is_alone(gate)
    with pytest.raises(ConnectionFailed, match="Redis"):
        await call(strict)
    fake.refusal = None
    await comes_back(gate)
    await call(strict)


async def test_the_log_tells_when_redis_goes_and_when_it_is_back(fake, make_gate, caplog):
    caplog.set_level(logging.INFO, "kakaclo.bucket")
    gate = make_gate(fake.url)
    fake.refusal = HEALS[0]
    for _ in range(3):
        await call(gate)
    fake.refusal = None
    await comes_back(gate)
    away, back = caplog.records
    assert (away.levelname, back.levelname) == ("WARNING", "INFO")
    assert (
        away.getMessage() == "Redis is away (ReadOnlyError): this process goes on with its part of the bucket"
    )
    assert back.getMessage() == "Redis is back: it keeps the bucket again"


@pytest.mark.parametrize("refusal", NEVER_HEALS)
async def test_what_only_other_settings_can_mend_is_said_at_first(fake, make_gate, refusal):
    fake.refusal = refusal
    gate = make_gate(fake.url)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="Redis") as refused:
            await call(gate)
        assert "10.0.0.1" not in str(refused.value)


@pytest.mark.parametrize("refusal", NEVER_HEALS)
async def test_what_worked_once_is_right_and_whatever_comes_later_is_an_outage(fake, make_gate, refusal):
    gate, strict = make_gate(fake.url), make_gate(fake.url, fallback="error")
    await call(gate)
    await call(strict)
    fake.refusal = refusal
    await call(gate)
    assert is_alone(gate)
    with pytest.raises(ConnectionFailed):
        await call(strict)
    fake.refusal = None
    await comes_back(gate)


async def test_what_is_no_redis_is_a_wrong_address(make_gate):
    async def page(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(page, "127.0.0.1", 0) as server:
        gate = make_gate(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(ConfigurationError, match="correct the address"):
            await call(gate)


async def test_after_an_outage_a_new_connection_is_made_since_the_name_may_stand_for_another_server(
    fake, make_gate
):
    gate = make_gate(fake.url)
    await call(gate)
    fake.refusal = HEALS[0]
    await call(gate)
    asked = len(fake.asked)
    fake.refusal = None
    await comes_back(gate)
    assert not set(fake.asked[:asked]) & set(fake.asked[asked:])


@pytest.mark.parametrize("lane", Lane)
async def test_a_redis_that_hangs_is_waited_for_once_and_not_by_each_call(fake, make_gate, lane):
    gate = make_gate(fake.url + "?socket_timeout=0.5")
    await call(gate)
    fake.asked.clear()
    fake.hangs = True
    async with asyncio.timeout(5):
        await asyncio.gather(*(call(gate, lane) for _ in range(20)))
        asked = len(fake.asked)
        for _ in range(20):
            await call(gate, lane)
    assert asked == 1
    assert len(fake.asked) <= asked + 1
    fake.hangs = False
    await comes_back(gate)


async def test_a_redis_that_hangs_ends_all_calls_at_once_where_there_is_no_fallback(fake, make_gate):
    gate = make_gate(fake.url + "?socket_timeout=0.5", fallback="error")
    await call(gate)
    fake.hangs = True
    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(*(call(gate) for _ in range(20)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {ConnectionFailed}
    assert len(fake.asked) <= 3


async def test_a_client_that_is_closed_while_redis_hangs_is_closed(fake, make_gate):
    gate = make_gate(fake.url + "?socket_timeout=0.5")
    permit = await gate.enter(INTERACTIVE)
    fake.hangs = True
    permit.give_back()
    async with asyncio.timeout(5):
        await gate.aclose()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "kakaclo bucket report"]


@pytest.fixture(scope="module")
def port():
    port = free_port()
    with redis_server.running(port):
        yield port


@pytest.fixture
def url(port):
    with redis.Redis(port=port) as client:
        client.flushdb()
    return f"redis://127.0.0.1:{port}"


@contextlib.contextmanager
def cut_off(*gates):
    """Let the gates reach no Redis."""

    async def run(*_):
        raise ConnectionFailed("cut off", sent=False)

    runs = [gate._bucket._remote.run for gate in gates]
    for gate in gates:
        gate._bucket._remote.run = run
    yield
    for gate, run in zip(gates, runs, strict=True):
        gate._bucket._remote.run = run


async def refused(gate, retry_after):
    with pytest.raises(RateLimited), await gate.enter(INTERACTIVE):
        raise RateLimited("slow down", retry_after=retry_after)


@pytest.mark.parametrize("fallback", ["local", "error"])
async def test_a_probe_that_ends_in_an_outage_is_heard_of_after_it(make_gate, url, fallback):
    gate, other = make_gate(url, fallback=fallback), make_gate(url)
    await refused(gate, 0)
    probe = await gate.enter(INTERACTIVE)
    assert probe.probe
    with cut_off(gate):
        if fallback == "local":
            await gate.enter(BULK)  # alone by now
        with probe:
            pass
        await asyncio.sleep(0.05)
    async with asyncio.timeout(5):  # the lease of a probe is longer
        assert not (await other.enter(INTERACTIVE)).probe


async def test_a_429_of_a_probe_that_ends_in_an_outage_holds_all_after_it(make_gate, url):
    gate, other = make_gate(url), make_gate(url)
    await refused(gate, 0)
    probe = await gate.enter(INTERACTIVE)
    with cut_off(gate):
        await gate.enter(BULK)
        with pytest.raises(RateLimited), probe:
            raise RateLimited("slow down", retry_after=30)
    await comes_back_held(gate, other)


async def comes_back_held(gate, other):
    waits = [asyncio.create_task(each.enter(BULK)) for each in (gate, other)]
    done, _ = await asyncio.wait(waits, timeout=0.5)
    assert not done
    assert 20 < other.eta(INTERACTIVE) <= 30
    for wait in waits:
        wait.cancel()


async def test_a_probe_that_went_out_alone_does_not_end_the_pause_of_all(make_gate, url):
    gate, other = make_gate(url), make_gate(url)
    await call(gate)
    with cut_off(gate):
        await refused(gate, 0)
        probe = await gate.enter(INTERACTIVE)
        assert probe.probe
        await refused(other, 30)
    waiting = asyncio.create_task(gate.enter(BULK))
    while is_alone(gate):
        await asyncio.sleep(0.01)
    with probe:
        pass
    waiting.cancel()
    await asyncio.sleep(0.05)
    await comes_back_held(other, other)


@pytest.mark.parametrize("passed", [True, False])
async def test_bulk_goes_on_after_a_probe_that_went_out_alone_and_ended_with_redis_back(
    make_gate, url, passed
):
    gate = make_gate(url)
    with cut_off(gate):
        await refused(gate, 0)
        probe = await gate.enter(BULK)
        assert probe.probe
        waiting = [asyncio.create_task(call(gate, BULK)) for _ in range(5)]
    async with asyncio.timeout(5):  # the lease of a probe is longer
        await call(gate)
        assert not is_alone(gate)
        with contextlib.suppress(ConnectionFailed), probe:
            if not passed:
                raise ConnectionFailed("reset", sent=True)
        await asyncio.gather(*waiting)
        with cut_off(gate):
            await asyncio.gather(*(call(gate, BULK) for _ in range(5)))


async def test_a_late_or_doubled_report_ends_no_other_probe(make_gate, url):
    gate, other = make_gate(url), make_gate(url)
    await refused(gate, 0)
    with pytest.raises(ConnectionFailed), await gate.enter(INTERACTIVE):
        raise ConnectionFailed("reset", sent=True)
    assert (await other.enter(INTERACTIVE)).probe
    await gate._bucket._remote.run("probed", 1, gate._bucket._probe)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gate.enter(INTERACTIVE), 0.2)


async def test_a_redis_that_dies_and_comes_back_empty_is_told_how_full_the_bucket_is(make_gate, url, port):
    gate = make_gate(url, 100, 0.001)
    for _ in range(40):
        await call(gate)
    with cut_off(gate), redis.Redis(port=port) as client:
        await call(gate)
        client.flushdb()
    await comes_back(gate)
    await call(gate)
    with redis.Redis(port=port) as client:
        assert float(client.hget("{kakaclo}:bucket", "level")) >= 42


@pytest.mark.parametrize("fallback", ["local", "error"])
async def test_a_redis_that_comes_back_empty_is_told_how_full_the_bucket_is(make_gate, url, port, fallback):
    gate = make_gate(url, 100, 0.001, fallback=fallback)
    for _ in range(40):
        await call(gate)
    with redis.Redis(port=port) as client:
        client.flushdb()
    await call(gate)
    assert gate.level == pytest.approx(41, abs=0.1)


async def test_what_is_left_is_shared_while_alone_and_counted_together_after_it(make_gate, url):
    gates = [make_gate(url, 100, 0.001) for _ in range(3)]
    for gate in gates * 2:
        await call(gate)
    with cut_off(*gates):
        calls = [asyncio.create_task(call(gate)) for gate in gates for _ in range(60)]
        await asyncio.wait(calls, timeout=0.5)
        assert sum(task.done() for task in calls) == pytest.approx(94, abs=3)
        for task in calls:
            task.cancel()
        await asyncio.wait(calls)
    for gate in gates:
        while is_alone(gate) or gate._bucket._spent_alone:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(call(gate), 0.1)
    assert gates[-1].level == pytest.approx(100, abs=3)


@pytest.fixture
async def shop(make_shop):
    return make_shop(100, 200.0)


async def keep_calling(gates, shop, trouble, calls=300):
    """Let each gate make its calls in both lanes, with trouble in the middle; all must come to their end."""
    jobs = [
        asyncio.create_task(shop.call(gate, BULK if number % 3 else INTERACTIVE))
        for gate in gates
        for number in range(calls)
    ]
    while len(shop.arrivals) < calls:
        await asyncio.sleep(0.01)
    async with asyncio.timeout(60):
        await trouble()
        await asyncio.gather(*jobs)
    assert len(shop.arrivals) == len(gates) * calls + shop.refused
    assert shop.refused <= len(gates) * calls * 0.3  # without a common bucket two of three would be
    assert not any(map(is_alone, gates))


@pytest.mark.process
async def test_three_clients_go_on_through_a_failover(make_gate, shop, tmp_path):
    old, new, name = tmp_path / "old.sock", tmp_path / "new.sock", tmp_path / "redis.sock"
    ports = free_port(), free_port()
    name.symlink_to(old)  # the name that follows the primary
    with (
        redis_server.running(ports[0], "--unixsocket", str(old), "--repl-diskless-sync-delay", "0"),
        redis_server.running(ports[1], "--unixsocket", str(new)),
        redis.Redis(port=ports[0]) as demoted,
        redis.Redis(port=ports[1]) as promoted,
    ):
        promoted.replicaof("127.0.0.1", ports[0])
        while promoted.info("replication")["master_link_status"] != "up":
            await asyncio.sleep(0.01)

        async def fail_over():
            demoted.replicaof("127.0.0.1", ports[1])  # and it still answers those that are connected
            await asyncio.sleep(0.3)
            promoted.replicaof("NO", "ONE")
            name.unlink()
            name.symlink_to(new)

        gates = [make_gate(f"unix://{name}") for _ in range(3)]
        await keep_calling(gates, shop, fail_over)
        assert promoted.exists("{kakaclo}:bucket")


@pytest.mark.process
async def test_three_clients_go_on_through_a_redis_that_hangs(make_gate, shop):
    port = free_port()
    with redis_server.running(port) as server:

        async def hang():
            server.send_signal(signal.SIGSTOP)
            arrived = len(shop.arrivals)
            await asyncio.sleep(2.0)
            server.send_signal(signal.SIGCONT)
            assert len(shop.arrivals) > arrived + 50

        gates = [make_gate(f"redis://127.0.0.1:{port}") for _ in range(3)]
        await keep_calling(gates, shop, hang)


@pytest.mark.process
async def test_three_clients_go_on_through_a_redis_that_dies_and_comes_back_empty(make_gate, shop):
    port = free_port()
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(redis_server.running(port))

        async def die():
            first.kill()
            first.wait()
            await asyncio.sleep(0.5)
            await asyncio.to_thread(stack.enter_context, redis_server.running(port))

        gates = [make_gate(f"redis://127.0.0.1:{port}") for _ in range(3)]
        await keep_calling(gates, shop, die)


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("redis+sentinel://localhost:26379/mymaster", "Sentinel"),
        ("rediss+cluster://localhost:7000", "Cluster"),
    ],
)
def test_sentinel_and_cluster_are_refused_with_what_to_do(url, match):
    with pytest.raises(ConfigurationError, match=f"{match}: give the address of"):
        RedisBucket(url)
