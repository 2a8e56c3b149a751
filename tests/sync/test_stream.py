"""Blocking iterators over async ones."""

import asyncio
import gc
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.interrupts import interrupted_at

from kakaclo_async.errors import ClientClosed, IncompletePull, ServerError
from kakaclo_sync.stream import AHEAD


async def settle():
    """Give whatever was cancelled its turns."""
    for _ in range(50):
        await asyncio.sleep(0)
    return len(asyncio.all_tasks())


@pytest.fixture
def tasks(shop):
    """Tell how many tasks the loop has besides its own and the question's."""
    return lambda: shop._bridge.thread().run(settle) - 2


@pytest.mark.parametrize("rows", [0, 1, 29, 30, 31, AHEAD, AHEAD + 1, 1000])
def test_every_row_comes_once_and_in_order(shop, tasks, rows):
    stream = shop.count(rows)
    assert iter(stream) is stream
    assert list(stream) == list(range(rows))
    assert list(stream) == []
    assert (shop.core.sources, tasks()) == (0, 0)


def test_nothing_is_fetched_before_the_first_row_is_asked_for(shop, tasks):
    stream = shop.count(100)
    assert (shop.core.sources, tasks()) == (0, 0)
    assert next(stream) == 0
    assert shop.core.sources == 1
    stream.close()


def test_arguments_are_checked_before_the_first_row_is_asked_for(shop):
    with pytest.raises(ValueError, match="end"):
        shop.count_checked(-1)


def test_it_reads_ahead_but_not_much(shop, tasks):
    stream = shop.count(1000, page=10)
    assert next(stream) == 0
    tasks()
    assert AHEAD <= shop.core.counted <= AHEAD + 11
    stream.close()


def test_a_closed_iterator_has_ended_and_left_nothing_behind(shop, tasks):
    stream = shop.count(1000)
    assert list(itertools.islice(stream, 5)) == [0, 1, 2, 3, 4]
    stream.close()
    assert (shop.core.sources, tasks()) == (0, 0)
    assert list(stream) == []
    stream.close()


def test_an_iterator_closed_before_its_first_row_never_fetches(shop, tasks):
    stream = shop.count(1000)
    stream.close()
    assert list(stream) == []
    assert (shop.core.sources, shop.core.ends, tasks()) == (0, [], 0)


def test_leaving_a_loop_early_ends_the_fetching(shop, tasks):
    for number in shop.count(1000):
        if number == 40:
            break
    gc.collect()
    assert (tasks(), shop.core.sources) == (0, 0)


def test_an_error_comes_after_the_rows_before_it_and_each_time_a_row_is_asked_for(shop, tasks):
    stream = shop.count(45, error=ServerError("down", status=502))
    rows = []
    with pytest.raises(ServerError, match="down"):
        rows.extend(stream)
    assert rows == [] or rows == list(range(45))
    for _ in range(2):
        with pytest.raises(ServerError, match="down"):
            next(stream)
    assert (shop.core.sources, tasks()) == (0, 0)
    stream.close()
    assert next(stream, "ended") == "ended"


def test_each_thread_that_shares_a_failing_iterator_is_told(shop):
    stream = shop.count(500, error=ServerError("down", status=502))
    barrier = threading.Barrier(8)
    rows = []

    def drain(_):
        barrier.wait()
        try:
            rows.extend(iter(stream.__next__, None))
        except ServerError as error:
            return error
        raise AssertionError("it looked complete")

    with ThreadPoolExecutor(8) as pool:
        errors = list(pool.map(drain, range(8)))
    assert len(set(map(id, errors))) == 8
    assert len({id(error.__traceback__) for error in errors}) == 8


@pytest.mark.slow  # interrupts are injected by tracing, as coverage does
def test_an_interrupt_at_any_instruction_of_an_iterator_never_lets_it_look_complete(shop):
    known = set()
    for instruction in itertools.count(1):
        stream, found = shop.count(12, page=3), []
        interrupt, reached = interrupted_at(
            instruction, lambda s=stream, f=found: f.extend(iter(s.__next__, None))
        )
        if not reached:
            break
        if not isinstance(interrupt, KeyboardInterrupt):
            continue
        try:
            found.extend(iter(stream.__next__, None))
        except IncompletePull as error:
            assert "interrupted (KeyboardInterrupt), and rows are missing" in str(error)  # noqa: PT017 - one of two ends
            known.add("error")
        else:
            assert found == list(range(12))
            known.add("complete")
        stream.close()
        assert list(stream) == []
    assert known == {"complete", "error"}


def test_a_cancellation_inside_is_an_error_and_not_the_end(shop):
    with pytest.raises(asyncio.CancelledError):
        list(shop.count(3, error=asyncio.CancelledError()))


def test_threads_may_share_one_iterator(shop):
    stream = shop.count(2000)
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda _: list(stream), range(8)))
    assert sorted(row for part in parts for row in part) == list(range(2000))


def test_closing_the_client_ends_an_iterator_with_client_closed(shop):
    stream = shop.count(1000)
    next(stream)
    shop.close()
    with pytest.raises(ClientClosed):
        list(stream)
    stream.close()
    assert shop.core.sources == 0


def test_an_iterator_keeps_its_client_open(script):
    assert script("from support.toys import Shop; print(sum(Shop().count(100)))") == ["4950"]


def test_an_iterator_may_be_closed_from_another_thread_while_one_waits(shop):
    stream = shop.count(10**9, page=1)
    with ThreadPoolExecutor(1) as pool:
        summed = pool.submit(sum, stream)
        while shop.core.counted < 3 * AHEAD:  # so many were not only fetched
            pass
        stream.close()
        assert summed.result() > 0
    assert shop.core.sources == 0


def test_ctrl_c_ends_the_iteration_and_leaves_the_client_usable(script):
    assert script("""
        import os, signal, threading
        from support.toys import Shop
        shop = Shop()
        def interrupt():
            os.kill(os.getpid(), signal.SIGINT)
        rows = shop.count(10**9)
        try:
            for row in rows:
                if row == 100:
                    threading.Thread(target=interrupt).start()
        except KeyboardInterrupt:
            pass
        rows.close()
        print(list(rows), shop.core.sources, shop.echo("usable"))
    """) == ["[]", "0", "usable"]


def test_a_script_may_end_in_the_middle_of_an_iteration(script):
    assert script("from support.toys import Shop; rows = Shop().count(10**9); print(next(rows))") == ["0"]


def test_the_iterator_is_collected_on_any_thread(shop, tasks):
    def abandon():
        next(shop.count(1000))

    for _ in range(20):
        thread = threading.Thread(target=abandon)
        thread.start()
        thread.join()
    assert (tasks(), shop.core.sources) == (0, 0)
