"""The private loop under real signals, real threads and real ends of the interpreter."""

import asyncio
import gc
import itertools
import multiprocessing
import sys
import threading
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.toys import Shop, echo_from_a_spawned_process, trace_id

from kakaclo_async.errors import ClientClosed, ConfigurationError, NotFound

INTERRUPT = """
import os, signal, threading
from support.toys import Shop
shop = Shop()
shop.echo(1)

def when(event, then):
    threading.Thread(target=lambda: (event.wait(), then()), daemon=True).start()

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
"""


def loop_threads():
    return [thread for thread in threading.enumerate() if thread.name == "kakaclo-loop"]


def test_the_first_call_starts_the_only_thread_and_it_is_a_daemon(shop):
    assert loop_threads() == []
    assert [shop.echo(number) for number in range(3)] == [0, 1, 2]
    (thread,) = loop_threads()
    assert thread.daemon


def test_threads_that_call_first_together_get_one_loop(shop):
    barrier = threading.Barrier(16)

    def call(_):
        barrier.wait()
        return shop.run(threading.get_ident)

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(call, range(16)))) == 1
    assert len(loop_threads()) == 1


def test_each_of_many_threads_gets_its_own_answers(shop):
    def call(number):
        return [shop.echo((number, turn), turns=turn % 5) for turn in range(50)]

    with ThreadPoolExecutor(32) as pool:
        for number, answers in enumerate(pool.map(call, range(32))):
            assert answers == [(number, turn) for turn in range(50)]


def test_ctrl_c_ends_the_call_first_and_leaves_the_client_usable(script):
    assert script(
        INTERRUPT
        + """
when(shop.core.begun, interrupt)
try:
    shop.hang()
except KeyboardInterrupt:
    print(*shop.core.ends, shop.echo("usable"))
"""
    ) == ["hang", "usable"]


def test_a_second_ctrl_c_does_not_wait(script):
    assert script(
        INTERRUPT
        + """
def twice():
    interrupt()
    shop.core.cancelled.wait()
    interrupt()
when(shop.core.begun, twice)
try:
    shop.hang_on()
except KeyboardInterrupt:
    print(*shop.core.ends, "left")
shop.core.let_end.set()
shop.close()
print(*shop.core.ends)
"""
    ) == ["left", "hang_on", "aclose"]


def test_ctrl_c_in_a_write_says_that_its_outcome_is_unknown(script):
    assert script(
        INTERRUPT
        + """
from kakaclo_async.errors import OutcomeUnknown
when(shop.core.begun, interrupt)
try:
    shop.write()
except OutcomeUnknown as error:
    print(error.custom_order_id, type(error.__cause__).__name__, shop.echo("usable"))
"""
    ) == ["C-1", "KeyboardInterrupt", "usable"]


def test_any_exception_of_a_signal_handler_ends_the_call(script):
    # Celery's soft time limit works like this.
    assert script(
        INTERRUPT
        + """
class TooLate(Exception): pass
def late(*_): raise TooLate
signal.signal(signal.SIGALRM, late)
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    shop.hang()
except TooLate:
    print(*shop.core.ends, shop.echo("usable"))
"""
    ) == ["hang", "usable"]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_interrupts_at_any_instant_of_a_call_leave_no_call_behind(script, loop):
    assert script(
        ("import sys; sys.modules['uvloop'] = None" if loop == "asyncio" else "")
        + INTERRUPT
        + """
import random, time
armed = False
hits = 0
class Hit(Exception): pass
def hit(*_):
    global armed, hits
    if armed:
        armed = False
        hits += 1
        raise Hit
signal.signal(signal.SIGALRM, hit)
tries = 0
while hits < 200:
    tries += 1
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 3e-4))
    try:
        armed = True
        assert shop.echo(tries, turns=tries % 7) == tries
        armed = False
    except Hit:
        pass
signal.setitimer(signal.ITIMER_REAL, 0)
import asyncio
async def tasks():
    await asyncio.sleep(0)
    return len(asyncio.all_tasks())
print(shop.echo("usable"), shop._bridge.thread().run(tasks), shop._bridge.thread())
""",
        measured=False,
    ) == ["usable", "2", "<LoopThread", "running,", "calls=0>"]


def test_a_call_from_the_loops_own_thread_is_refused(shop):
    with pytest.raises(RuntimeError, match="would wait for itself"):
        shop.run(lambda: shop.echo(1))
    assert shop.echo("usable") == "usable"


def test_closing_from_the_loops_own_thread_is_refused():
    shop = Shop()
    with pytest.raises(RuntimeError, match="would wait for itself"):
        shop.run(shop.close)
    shop.close()


async def test_a_call_inside_a_running_loop_works_and_warns_that_it_blocks(shop):
    with pytest.warns(RuntimeWarning, match="holds up the event loop") as caught:
        assert shop.echo("works") == "works"
    assert caught[0].filename == __file__


async def test_from_another_thread_of_a_running_loop_nothing_warns(shop):
    assert await asyncio.to_thread(shop.echo, "quiet") == "quiet"


def test_context_variables_of_the_caller_reach_the_call(shop):
    def call(name):
        trace_id.set(name)
        return shop.trace(), trace_id.get()

    with ThreadPoolExecutor(4) as pool:
        names = [f"request {number}" for number in range(40)]
        assert list(pool.map(call, names)) == [(name, name) for name in names]


def test_an_error_comes_out_as_raised(shop):
    error = NotFound("no such thing", status=404, path="/x")
    with pytest.raises(NotFound) as caught:
        shop.fail(error)
    assert caught.value is error
    assert error.__cause__ is error.__context__ is None


def test_a_traceback_begins_at_the_caller_and_shows_at_most_three_frames_of_ours(shop):
    with pytest.raises(ValueError) as caught:
        shop.fail(ValueError("here"))
    frames = traceback.extract_tb(caught.value.__traceback__)
    names = [frame.name for frame in frames]
    assert names[0] == "test_a_traceback_begins_at_the_caller_and_shows_at_most_three_frames_of_ours"
    assert names[1] == names[-1] == "fail"
    assert sum("kakaclo_sync" in frame.filename for frame in frames) <= 3


def test_an_error_is_freed_without_the_garbage_collector(shop):
    class Watched(Exception):
        pass

    def fail():
        raise Watched

    gc.disable()
    try:
        try:
            shop.run(fail)
        except Watched as error:
            watch = weakref.ref(error)
        shop.echo("the loop has let go of it, too")
        assert watch() is None
    finally:
        gc.enable()


def test_wrong_arguments_fail_as_they_would_in_the_async_method(shop):
    with pytest.raises(TypeError, match=r"echo\(\) got an unexpected keyword argument 'colour'"):
        shop.echo(1, colour="red")


def test_close_ends_running_calls_and_then_the_client_and_joins_the_thread():
    shop = Shop()
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(shop.hang) for _ in range(3)]
        while len(shop._bridge.thread().calls) < 3 or not shop.core.begun.is_set():
            pass
        shop.close()
        for call in calls:
            with pytest.raises(ClientClosed):
                call.result()
    assert set(shop.core.ends[:-1]) <= {"hang"}
    assert shop.core.ends[-1] == "aclose"
    assert loop_threads() == []


def test_close_is_safe_twice_and_a_closed_client_says_so():
    shop = Shop()
    shop.echo(1)
    shop.close()
    shop.close()
    with pytest.raises(ClientClosed, match="make a new one"):
        shop.echo(2)
    assert shop.core.ends == ["aclose"]
    assert repr(shop._bridge) == "<Bridge closed>"


def test_an_unused_client_closes_without_ever_starting_a_thread():
    shop = Shop()
    shop.close()
    assert shop.core.ends == []
    with pytest.raises(ClientClosed):
        shop.echo(1)


def test_threads_that_race_with_close_get_an_answer_or_client_closed():
    for _ in range(30):
        shop = Shop()
        shop.echo(0)
        counter = itertools.count()

        def call(shop=shop, counter=counter):
            try:
                while True:
                    shop.echo(next(counter))
            except ClientClosed:
                return "closed"

        with ThreadPoolExecutor(8) as pool:
            ends = [pool.submit(call) for _ in range(8)]
            while next(counter) < 20:
                pass
            shop.close()
            assert {end.result() for end in ends} == {"closed"}


def test_a_client_that_nobody_holds_ends_its_thread():
    shop = Shop()
    shop.echo(1)
    (thread,) = loop_threads()
    del shop
    gc.collect()
    thread.join(30)
    assert not thread.is_alive()


def test_uvloop_is_used_if_installed(script):
    pytest.importorskip("uvloop")
    code = """
        from support.toys import Shop
        import asyncio, sys
        assert "uvloop" not in sys.modules
        loop = Shop().run(asyncio.get_running_loop)
        print(isinstance(loop, sys.modules["uvloop"].Loop))
    """
    assert script(code) == ["True"]


def test_without_uvloop_the_loop_is_of_asyncio_whatever_the_policy(script):
    code = """
        import sys
        sys.modules["uvloop"] = None
        import asyncio
        from support.toys import Shop
        class Policy(asyncio.DefaultEventLoopPolicy):
            def new_event_loop(self): raise AssertionError
        asyncio.set_event_loop_policy(Policy())
        print(type(Shop().run(asyncio.get_running_loop)).__module__)
    """
    assert script(code) == ["asyncio.unix_events"]


@pytest.mark.parametrize(
    ("library", "check", "name"),
    [
        ("gevent.monkey", "is_module_patched", "_thread"),
        ("eventlet.patcher", "is_monkey_patched", "thread"),
    ],
)
def test_green_threads_are_refused_in_one_sentence(monkeypatch, library, check, name):
    patcher = type(sys)(library)
    setattr(patcher, check, lambda module: module == name)
    monkeypatch.setitem(sys.modules, library, patcher)
    shop = Shop()
    with pytest.raises(ConfigurationError, match=library.split(".", maxsplit=1)[0]):
        shop.echo(1)
    monkeypatch.delitem(sys.modules, library)
    assert shop.echo("usable") == "usable"
    shop.close()


def test_a_script_may_end_without_closing(script):
    assert script("from support.toys import Shop; print(Shop().echo('done'))") == ["done"]
    assert script("from support.toys import Shop; shop = Shop(); print(shop.echo('done'))") == ["done"]


def test_a_script_may_end_while_daemon_threads_are_in_calls(script):
    code = """
        import threading
        from support.toys import Shop
        shop = Shop()
        def poll():
            while True:
                shop.echo(1)
        for target in (shop.hang, poll, poll, poll):
            threading.Thread(target=target, daemon=True).start()
        shop.core.begun.wait()
        print("done")
    """
    assert script(code, measured=False) == ["done"]


def test_other_threads_may_finish_their_work_after_the_main_thread(script):
    code = """
        import threading
        from support.toys import Shop
        shop = Shop()
        shop.echo(0)
        def work():
            threading.main_thread().join()
            print(*[shop.echo(number) for number in range(3)])
        threading.Thread(target=work).start()
    """
    assert script(code) == ["0", "1", "2"]


def test_exit_handlers_may_call_or_learn_that_the_client_is_closed(script):
    code = """
        import atexit
        def early():
            try:
                shop.echo(1)
            except Exception as error:
                print(type(error).__name__)
        atexit.register(early)
        from support.toys import Shop
        shop = Shop()
        shop.echo(1)
        atexit.register(lambda: print(shop.echo("late")))
    """
    assert script(code) == ["late", "ClientClosed"]


def test_sys_exit_and_uncaught_errors_keep_their_status(script):
    code = "import sys; from support.toys import Shop; s = Shop(); s.echo(1); sys.exit(3)"
    assert script(code, status=3) == []


@pytest.mark.process
def test_a_spawned_process_makes_its_own_client(shop):
    shop.echo(1)
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=echo_from_a_spawned_process, args=(queue,))
    process.start()
    assert queue.get() == "from a spawned process"
    process.join()
    assert process.exitcode == 0
    queue.close()


def test_a_client_works_and_closes_in_a_subinterpreter(script):
    code = """
        import sys
        try:  # the module is private, and has another name from Python 3.13 on
            import _interpreters as interpreters
            one, run = interpreters.create("legacy"), interpreters.exec
        except ImportError:
            import _xxsubinterpreters as interpreters
            one, run = interpreters.create(isolated=False), interpreters.run_string
        run(one, f"import sys; sys.path = {sys.path!r}\\n" +
            "from support.toys import Shop\\nshop = Shop()\\nprint(shop.echo('inside'), flush=True)\\nshop.close()")
        interpreters.destroy(one)
        print("outside")
    """
    assert script(code, measured=False) == ["inside", "outside"]


def test_without_a_thread_to_be_had_nothing_is_left_open(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    shop = Shop()
    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="can't start"):
        patched.setattr(threading.Thread, "start", refuse)
        shop.echo(1)
    assert shop.echo("later") == "later"
    shop.close()


def test_closing_needs_no_thread_for_an_interpreter_that_ends_may_refuse_one(monkeypatch):
    shop = Shop()
    shop.run(lambda: asyncio.get_running_loop().run_in_executor(None, int))

    def refuse(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        shop.close()
    assert shop.core.ends == ["aclose"]
    assert loop_threads() == []
