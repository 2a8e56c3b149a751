"""Ctrl-C in a write: an order that was placed, or may have been, is never only an interrupt."""

import ast
import re
import signal
import threading
from contextlib import contextmanager
from decimal import Decimal
from itertools import count

import attrs
import pytest
from support.interrupts import interrupted_at
from support.shop import ADDRESS, orderable
from support.source import modules, tree

from kakaclo_async.sandbox import Fault, FaultKind
from kakaclo_sync import (
    Item,
    Journal,
    MaterialImage,
    NewDesign,
    NewOrder,
    OutcomeUnknown,
    _loop,
)

# They inject interrupts by tracing, which coverage does too: an interrupt that meets its tracer ends the whole run.
pytestmark = pytest.mark.slow

LOST = Fault(FaultKind.SERVER_ERROR, path="/v2/order/orders", method="POST", takes_effect=False)
SILENCE = Fault(FaultKind.SILENCE, path="/v2/order/orders", method="POST")


class Late(Exception):
    """What a signal handler raises that is not Ctrl-C's: Celery's soft time limit."""


@pytest.fixture
def stocked(kk, sandbox):
    """Return a SKU that never runs out."""
    sku, _ = orderable(kk)
    sandbox.ledger.balance = Decimal(10**9)
    for code, warehouse, _ in tuple(sandbox.catalog.stock_rows()):
        if code == sku:
            sandbox.catalog.set_stock(sku, warehouse, 10**6)
    return sku


@pytest.fixture
def new_order(stocked):
    return lambda key: NewOrder(address=ADDRESS, items=[Item(stocked, 1)], custom_order_id=key)


@pytest.fixture
def journal(tmp_path):
    return Journal(f"sqlite:///{tmp_path}/orders.db")


@pytest.fixture
def design(kk, sandbox):
    sandbox.design_delay = 0.0
    model = next(kk.custom.models(category_names=kk.custom.category_names()[:1]))
    image = MaterialImage(image_name="front.png", image_url="https://img.example/front.png")
    return lambda name: NewDesign(
        model_id=model.id, en_name=name, image_url="https://img.example/mug.png", material_images=[image]
    )


def judge(outcome, number_of, *, is_done):
    """Return what a caller knows, and fail if an order was placed that it does not know of."""
    match outcome:
        case KeyboardInterrupt():
            assert not is_done
            return "interrupt"
        case OutcomeUnknown(number=None):
            assert "may" in str(outcome) or "not known" in str(outcome)
            return "unknown"
        case OutcomeUnknown(number=number):
            assert is_done
            assert number in str(outcome)
            assert number == number_of()
            assert isinstance(outcome.__cause__, KeyboardInterrupt)
            return "placed"
        case _:
            assert is_done
            return "result"


@contextmanager
def told(match=""):
    """Expect OutcomeUnknown; a bare interrupt would end the whole test run."""
    with pytest.raises((OutcomeUnknown, KeyboardInterrupt, SystemExit, Late)) as caught:
        yield caught
    assert isinstance(caught.value, OutcomeUnknown)
    assert re.search(match, str(caught.value))


def placed_as(sandbox, key):
    return [placed.orders[0] for placed in sandbox.journal if placed.custom_order_id == key]


@pytest.fixture(params=["create", "v1", "submit"])
def place(request, kk, journal):
    if request.param == "v1":
        with pytest.warns(DeprecationWarning, match="outdated"):
            return kk.v1.orders.create
    return (
        kk.orders.create
        if request.param == "create"
        else lambda order: kk.orders.submit(order, journal=journal)
    )


def test_an_interrupt_at_any_instruction_of_placing_an_order_hides_no_order(place, sandbox, new_order):
    place(new_order("first"))  # what is loaded and made once
    known = set()
    for instruction in count(1):
        key = f"C-{instruction}"
        outcome, reached = interrupted_at(instruction, lambda key=key: place(new_order(key)))
        there = placed_as(sandbox, key)
        known.add(judge(outcome, lambda there=there: there[0], is_done=bool(there)))
        if isinstance(outcome, OutcomeUnknown):
            assert outcome.custom_order_id == key
            assert key in str(outcome)
            assert outcome.order_id == outcome.number
        if not reached:
            break
    assert instruction > 50
    assert {"interrupt", "placed", "result"} <= known
    # Nothing was sent later, either.
    assert len(sandbox.journal) == len({placed.custom_order_id for placed in sandbox.journal})


def test_an_interrupt_at_any_instruction_of_a_refund_hides_no_refund(kk, sandbox, new_order):
    known = set()
    for instruction in count(1):
        order_id = kk.orders.create(new_order(f"C-{instruction}")).id
        outcome, reached = interrupted_at(instruction, lambda order_id=order_id: kk.refunds.request(order_id))
        there = kk.refunds.of(order_id)
        known.add(judge(outcome, lambda there=there: there[0].refund_no, is_done=bool(there)))
        if isinstance(outcome, OutcomeUnknown):
            assert outcome.order_id == order_id
            assert order_id in str(outcome)
        if not reached:
            break
    assert {"interrupt", "placed", "result"} <= known


def writes_in_the_source():
    """Return the functions that build a request with `writes=True`."""
    return {
        f"{module.removeprefix('kakaclo_async.')}.{function.name}"
        for module in modules()
        if module.startswith("kakaclo_async.") and not module.startswith("kakaclo_async.sandbox")
        for function in ast.walk(tree(module))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.keyword)
        and node.arg == "writes"
        and getattr(node.value, "value", None) is True
    }


@contextmanager
def signals_at_the_end_of_calls(monkeypatch, error):
    """Have a signal handler raise in the main thread at the very moment when a call ends."""

    def handle(*_):
        raise error

    end = _loop.Call.end

    def interrupting(call, *arguments):
        monkeypatch.setattr(_loop.Call, "end", end)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        end(call, *arguments)

    before = signal.signal(signal.SIGUSR1, handle)
    monkeypatch.setattr(_loop.Call, "end", interrupting)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), Late()], ids=repr)
def test_every_write_says_what_it_did_when_its_answer_and_a_signal_come_together(
    kk, sandbox, new_order, design, journal, monkeypatch, error
):
    with pytest.warns(DeprecationWarning, match="outdated"):
        v1 = kk.v1
    orders = [kk.orders.create(new_order(f"R-{number}")).id for number in range(3)]
    writes = {
        "resources.orders.placing.place_request": {
            "create": lambda: kk.orders.create(new_order("A")),
            "submit": lambda: kk.orders.submit(new_order("B"), journal=journal),
            "submit again": lambda: kk.orders.submit(new_order("B"), journal=journal),
            "v1 create": lambda: v1.orders.create(new_order("C")),
        },
        "resources.refunds.refund_request": {
            "request": lambda: kk.refunds.request(orders[0]),
            "request with a journal": lambda: kk.refunds.request(orders[1], journal=journal),
            "request again": lambda: kk.refunds.request(orders[1], journal=journal),
            "v1 request": lambda: v1.refunds.request(orders[2], "too much"),
        },
        "resources.custom.build": {
            "add_design": lambda: kk.custom.add_design(design("one")),
            "add_design with a journal": lambda: kk.custom.add_design(design("two"), journal=journal),
        },
    }
    # A new kind of write belongs into this list.
    assert writes.keys() == writes_in_the_source()
    numbers = {}
    for kind, methods in writes.items():
        for write in methods.values():
            with (
                signals_at_the_end_of_calls(monkeypatch, error),
                pytest.raises(
                    OutcomeUnknown, match="the call was interrupted after KakaClo had answered"
                ) as caught,
            ):
                write()
            assert caught.value.__cause__ is error
            assert caught.value.number in str(caught.value)
            numbers.setdefault(kind, []).append(caught.value.number)
    placed, refunds, designs = numbers.values()
    assert [*dict.fromkeys(placed)] == [placed.orders[0] for placed in sandbox.journal[3:]]
    assert placed[1] == placed[2]
    assert [*dict.fromkeys(refunds)] == [kk.refunds.of(order)[0].refund_no for order in orders]
    assert set(designs) == {str(found.id) for found in kk.custom.designs()}


def test_a_read_that_is_interrupted_at_its_answer_is_only_an_interrupt(kk, monkeypatch):
    with signals_at_the_end_of_calls(monkeypatch, KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
        kk.payment.balance()
    assert kk.payment.balance()


def interrupt_when(met, then=lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)):
    def watch():
        while not met():
            pass
        then()

    threading.Thread(target=watch, daemon=True).start()


@pytest.fixture
def ctrl_c():
    def handle(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, handle)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_an_order_that_waits_to_be_looked_up_is_unknown_when_interrupted(
    kk, sandbox, new_order, journal, ctrl_c
):
    sandbox.faults.add(LOST)
    interrupt_when(
        lambda: any(
            served.method == "GET" and "/v2/order/orders" in served.path for served in tuple(sandbox.log)
        )
    )
    with told("'C-1' may or may not have been placed") as caught:
        kk.orders.submit(new_order("C-1"), journal=journal, timeout=None)
    assert caught.value.custom_order_id == "C-1"
    assert caught.value.number is None
    assert caught.value.settles_at is not None


def test_an_order_that_another_thread_is_sending_is_unknown_when_interrupted(
    kk, sandbox, new_order, journal, ctrl_c
):
    sandbox.faults.add(SILENCE)

    def submit():
        with pytest.raises(OutcomeUnknown):
            kk.orders.submit(new_order("C-1"), journal=journal)

    other = threading.Thread(target=submit)
    other.start()
    while not sandbox.journal:
        pass
    running = kk._bridge.thread().calls
    interrupt_when(
        lambda: len(running) == 2 and all(call._writes.unknown or call._writes._sending for call in running)
    )
    with told("another worker is sending it") as caught:
        kk.orders.submit(new_order("C-1"), journal=journal)
    assert caught.value.custom_order_id == "C-1"
    kk.close()
    other.join()


def test_an_interrupted_finish_sends_no_more_and_names_what_it_sent(kk, sandbox, new_order, tmp_path, ctrl_c):
    journal = Journal(f"sqlite:///{tmp_path}/orders.db", quiet_time=0.0)
    for key in "ABC":
        sandbox.faults.add(LOST)
        with pytest.raises(OutcomeUnknown):
            kk.orders.submit(new_order(key), journal=journal, timeout=0.0)
    sandbox.faults.add(attrs.evolve(SILENCE, skip=1))
    interrupt_when(lambda: len(sandbox.journal) == 2)
    with told() as caught:
        journal.finish(kk)
    first, second = sandbox.journal
    assert caught.value.custom_order_id == second.custom_order_id
    assert f"order {first.custom_order_id!r} was placed as {first.orders[0]}" in str(caught.value)
    assert len(sandbox.journal) == 2


def test_a_second_interrupt_does_not_wait_and_says_that_a_write_may_have_left(shop, ctrl_c):
    def twice():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        shop.core.cancelled.wait()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    interrupt_when(shop.core.begun.is_set, twice)
    with told("order 'C-1'.*its outcome is not known") as caught:
        shop.send_and_hang_on()
    assert caught.value.custom_order_id == "C-1"
    assert shop.core.ends == []


def test_nothing_is_sent_after_an_interrupt_however_late_the_cancellation_comes(shop, ctrl_c):
    def twice():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        shop.core.cancelled.wait()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    interrupt_when(shop.core.begun.is_set, twice)
    with pytest.raises(KeyboardInterrupt):
        shop.hang_on_and_send()
    shop.core.let_end.set()
    shop.close()
    assert shop.core.ends == ["not sent", "aclose"]


def test_closing_the_client_while_an_order_is_recorded_hides_no_order(
    kk, sandbox, new_order, journal, monkeypatch
):
    from kakaclo_async.ordering.store import Store

    done = Store.done

    async def closing(store, *arguments):
        kk._bridge.thread().stop()
        await done(store, *arguments)

    monkeypatch.setattr(Store, "done", closing)
    with told(r"order 'C-1' was .* as \d+") as caught:
        kk.orders.submit(new_order("C-1"), journal=journal)
    assert [caught.value.number] == placed_as(sandbox, "C-1")
    assert journal.find("C-1").outcome == caught.value.number


@pytest.mark.slow
def test_signals_at_random_moments_hide_no_order(kk, sandbox, new_order, journal):
    import random

    def handle(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handle)
    known = {}
    try:
        for turn in range(1_000):
            key, created = f"C-{turn}", None
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 0.012))
                if turn % 2:
                    created = kk.orders.create(new_order(key))
                else:
                    created = kk.orders.submit(new_order(key), journal=journal)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except OutcomeUnknown as error:
                known[key] = "placed" if error.number else "unknown"
            except KeyboardInterrupt:
                known[key] = "interrupt"
            if created is not None:  # also when the signal came here
                known[key] = "result"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    there = {placed.custom_order_id for placed in sandbox.journal}
    assert len(sandbox.journal) == len(there)
    assert {known[key] for key in there} <= {"result", "placed", "unknown"}
    assert not {key for key, outcome in known.items() if outcome in {"result", "placed"}} - there
