from __future__ import annotations

import asyncio
import threading
import time

import aiohttp
import pytest
from aiohttp import web

from kakaclo_async.testing import SteppedLoop

pytestmark = pytest.mark.stepped


async def test_the_marker_gives_the_stepped_loop():
    assert isinstance(asyncio.get_running_loop(), SteppedLoop)


@pytest.mark.parametrize("seconds", [1e-9, 0.5, 60, 86_400 * 3])
async def test_sleeping_steps_the_clock_and_takes_no_time(seconds):
    loop = asyncio.get_running_loop()
    began, really = loop.time(), time.monotonic()
    await asyncio.sleep(seconds)
    assert loop.time() - began == pytest.approx(seconds, abs=1e-6)
    assert time.monotonic() - really < 5


async def test_timers_fire_in_the_order_of_their_times():
    fired = []

    async def fire(after):
        await asyncio.sleep(after)
        fired.append(after)

    await asyncio.gather(*(fire(s) for s in (3, 1, 2)))
    assert fired == [1, 2, 3]


async def test_a_timer_that_is_due_now_does_not_stop_the_clock():
    loop = asyncio.get_running_loop()
    before = loop.time()
    for _ in range(5):
        due = loop.create_future()
        loop.call_at(loop.time(), due.set_result, None)
        await due
    assert before < loop.time() < before + 1e-6


async def test_a_job_in_a_thread_ends_before_the_clock_moves():
    loop = asyncio.get_running_loop()
    began = loop.time()
    go = threading.Event()
    timer = asyncio.create_task(asyncio.sleep(10))
    job = loop.run_in_executor(None, lambda: go.wait(5))
    threading.Timer(0.05, go.set).start()
    assert await job
    assert loop.time() - began < 1e-3
    assert not timer.done()
    await timer
    assert loop.time() - began == pytest.approx(10)


async def test_a_job_ends_before_a_timer_that_is_due_sooner_than_the_job_takes():
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(0.01):
        await loop.run_in_executor(None, lambda: threading.Event().wait(0.1))
    assert loop.time() < 0.01


@pytest.mark.stepped(patience=60)
async def test_a_job_has_as_long_as_the_loop_was_told_to_be_patient():
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(0.01):
        await loop.run_in_executor(None, lambda: threading.Event().wait(0.8))
    assert loop.time() < 0.01


async def test_a_thread_of_its_own_can_call_back_within_the_grace():
    loop = asyncio.get_running_loop()
    answers = asyncio.Queue()
    asked = threading.Event()

    def answer():
        asked.wait(5)
        loop.call_soon_threadsafe(answers.put_nowait, "done")

    thread = threading.Thread(target=answer)
    thread.start()
    asked.set()
    assert await answers.get() == "done"
    thread.join()


async def test_http_within_the_loop_needs_no_stepped_time_but_its_pauses_do():
    async def handle(request):
        await asyncio.sleep(float(request.query["pause"]))
        return web.Response(text="x" * 100_000)

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    loop = asyncio.get_running_loop()

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:

        async def get(pause):
            async with session.get(url, params={"pause": str(pause)}) as response:
                return len(await response.text())

        began = loop.time()
        assert await asyncio.gather(*(get(0) for _ in range(50))) == [100_000] * 50
        assert loop.time() - began < 1
        began = loop.time()
        assert await get(20) == 100_000
        assert loop.time() - began == pytest.approx(20, abs=1)
        with pytest.raises(TimeoutError):
            await get(40)
    await runner.cleanup()


def test_without_pytest_a_runner_takes_it():
    with asyncio.Runner(loop_factory=lambda: SteppedLoop(grace=0)) as runner:
        runner.run(asyncio.sleep(3600))
        assert runner.get_loop().time() == pytest.approx(3600)
