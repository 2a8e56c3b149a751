"""The blocking client over real HTTP: every endpoint, views, events, threads, signals and forks."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal

import pytest
from support.shop import ADDRESS, orderable, past

from kakaclo_async.sandbox import Fault, FaultKind
from kakaclo_sync import (
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    FreightRequest,
    InvalidRequest,
    Item,
    KakaClo,
    Lane,
    MaterialImage,
    NewDesign,
    NewOrder,
    NotFound,
    Pull,
    RateLimit,
    RefundStatus,
    Sandbox,
    Sent,
    Stream,
    Unauthorized,
)


def test_products_and_stock(kk):
    products = {product.spu: product for product in kk.products.updated(past(days=3650), past())}
    assert len(products) == 50
    spu, product = next(iter(products.items()))
    sku = product.sku_details[0].sku
    assert kk.products.get(spu) == product
    assert {found.spu for found in kk.products.get_many(spus=products)} == products.keys()
    assert [found.spu for found in kk.products.get_many(skus=[sku])] == [spu]
    assert kk.products.page(skus=[sku]).list == (product,)
    in_category = {found.spu for found in kk.products.in_category(product.category_id)}
    assert in_category == {p.spu for p in products.values() if p.category_id == product.category_id}

    level = kk.stocks.get(sku)
    assert kk.stocks.get_many([sku]) == (level,)
    assert kk.stocks.page(skus=[sku]).list == (level,)
    levels = {found.sku for found in kk.stocks.updated(past(days=3650), past())}
    assert levels == {sku.sku for p in products.values() for sku in p.sku_details}


def test_categories_and_warehouses(kk):
    assert kk.categories.tree()[0].child
    assert {warehouse.country_code for warehouse in kk.warehouses.all()} >= {"CN", "US"}


def test_freight_orders_and_refunds(kk, sandbox):
    one, other = orderable(kk)
    items = [Item(one, 2), Item(other, 1)]
    quote = kk.freight.quote(items, "US")
    assert quote.cheapest.estimated_freight > 0
    assert kk.freight.quote_many([FreightRequest(items, "US")] * 2) == (quote, quote)
    collected = kk.freight.quote_many(
        [FreightRequest(items, "US"), FreightRequest([Item("NOPE", 1)], "US")], "collect"
    )
    assert collected[0] == quote
    assert isinstance(collected[1], Exception)
    assert kk.freight.matrix([items], ["US"])[items, "US"] == quote
    assert kk.freight.channels(items, "US")

    before = kk.payment.balance().amount
    created = kk.orders.create(NewOrder(address=ADDRESS, items=items, custom_order_id="C-1"))
    order = kk.orders.get(created.id)
    assert kk.payment.balance().amount == before - order.final_amount
    assert order.final_amount == order.sub_total_amount + order.freight_amount - (
        order.coupon_amount or Decimal(0)
    )
    assert kk.orders.get_many([created.id]) == (order,)
    assert kk.orders.page(ids=[created.id]).list == (order,)
    assert [found.id for found in kk.orders.query(created_from=past(days=1))] == [created.id]
    assert [found.id for found in kk.orders.find("C-1", past(days=1))] == [created.id]

    number = kk.refunds.request(created.id, [Item(one, 1)])
    assert [refund.refund_no for refund in kk.refunds.of(created.id)] == [number]
    sandbox.skip(3600)
    (refund,) = kk.refunds.wait(created.id, timeout=30)
    assert refund.refund_status is RefundStatus.REFUND_SUCCESSFULLY


def test_the_outdated_area_works_and_warns_at_the_callers_line(kk):
    sku, _ = orderable(kk)
    with pytest.warns(DeprecationWarning, match="outdated") as caught:
        area = kk.v1
    assert [warning.filename for warning in caught] == [__file__]
    created = area.orders.create(NewOrder(address=ADDRESS, items=[Item(sku, 1)]))
    assert area.orders.get(created.id).id == created.id
    assert [order.id for order in area.orders.page(ids=[created.id])] == [created.id]
    assert area.freight.channels([Item(sku, 1)], "US")
    number = area.refunds.request(created.id, "too much")
    assert [refund.refund_no for refund in area.refunds.of(created.id)] == [number]


def test_print_on_demand(kk, sandbox):
    name = kk.custom.category_names()[0]
    models = list(kk.custom.models(category_names=[name]))
    detail = kk.custom.model(models[0].id)
    assert detail.model_code == models[0].model_code
    image = MaterialImage(image_name="front.png", image_url="https://img.example/front.png")
    design = NewDesign(
        model_id=detail.id, en_name="Mug", image_url="https://img.example/mug.png", material_images=[image]
    )
    sandbox.design_delay = 0.0
    added = kk.custom.add_design(design)
    assert added.en_name == "Mug"
    assert [design.en_name for design in kk.custom.designs(model_codes=[detail.model_code])] == ["Mug"]


def test_iterators_are_of_the_classes_that_the_package_exports(kk):
    assert isinstance(kk.products.updated(past(days=1), past()), Pull)
    assert isinstance(kk.orders.query(), Stream)


def test_a_pull_certifies_that_it_saw_every_row(kk):
    pull = kk.products.updated(past(days=3650), past())
    assert not pull.certificate.complete
    assert len(list(pull)) == 50
    assert pull.certificate.complete
    assert not pull.coarse
    assert "finished=True" in repr(pull)


def test_misuse_is_refused_before_a_permit_is_spent(kk, sandbox):
    with pytest.raises(InvalidRequest, match="aware"):
        kk.products.updated(datetime(2024, 1, 1), past())  # noqa: DTZ001 - naive on purpose
    with pytest.raises(InvalidRequest):
        kk.products.get("")
    with pytest.raises(ConfigurationError, match="timeout"):
        kk.with_options(timeout=-1)
    assert sandbox.requests.total() == kk.stats().requests == 0


def test_a_missing_token_is_refused_when_the_client_is_made(monkeypatch):
    monkeypatch.delenv("KAKACLO_TOKEN", raising=False)
    with pytest.raises(ConfigurationError, match="KAKACLO_TOKEN"):
        KakaClo()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_token_may_be_a_function(sandbox, kind):
    async def fetch():
        return sandbox.token

    with KakaClo(fetch if kind == "async" else lambda: sandbox.token, base_url=sandbox.url) as kk:
        assert kk.payment.balance().amount == sandbox.balance


def test_errors_are_the_async_ones(kk, sandbox):
    with pytest.raises(NotFound, match="NOPE"):
        kk.products.get("NOPE")
    with KakaClo("wrong", base_url=sandbox.url) as stranger, pytest.raises(Unauthorized):
        stranger.payment.balance()


def test_with_no_server_a_call_says_so():
    with (
        KakaClo("t", base_url="http://127.0.0.1:9", max_attempts=1) as kk,
        pytest.raises(ConnectionFailed, match="127.0.0.1:9"),
    ):
        kk.payment.balance()


def test_views_share_the_client_and_bulk_views_queue_in_the_bulk_lane(kk):
    kk.bulk().payment.balance()
    kk.with_options(lane="interactive", max_attempts=1).payment.balance()
    for stats in (kk.stats(), kk.bulk().stats()):
        assert {lane: stats.lanes[lane].requests for lane in Lane} == {Lane.BULK: 1, Lane.INTERACTIVE: 1}
    assert kk.eta() == kk.bulk().eta("bulk") == 0
    assert "lane=bulk" in repr(kk.bulk())


def test_views_keep_their_client_open_and_closing_one_closes_all(sandbox):
    view = KakaClo(sandbox.token, base_url=sandbox.url).bulk()
    payment = view.payment
    assert payment.balance().amount == sandbox.balance
    view.close()
    with pytest.raises(ClientClosed):
        payment.balance()


def test_events_come_on_the_clients_thread_until_they_are_ended(kk):
    events = []
    end = kk.bulk().on_event(lambda event: events.append((event, threading.current_thread().name)))
    kk.payment.balance()
    end()
    end()
    kk.payment.balance()
    ((sent, thread),) = [(event, thread) for event, thread in events if isinstance(event, Sent)]
    assert (sent.path, sent.status, thread) == ("/v1/payment/balance", 200, "kakaclo-loop")


def test_a_blocking_call_in_an_event_callback_is_refused_and_fails_nothing(kk):
    refusals = []

    def listen(event):
        try:
            kk.payment.balance()
        except RuntimeError as error:
            refusals.append(str(error))

    kk.on_event(listen)
    assert kk.payment.balance()
    assert "would wait for itself" in refusals[0]


@pytest.mark.parametrize("threads", [16, 64])
def test_many_threads_share_one_client(kk, sandbox, threads):
    products = list(kk.products.updated(past(days=3650), past()))
    turns = itertools.islice(itertools.cycle(products), 4 * threads)
    with ThreadPoolExecutor(threads) as pool:
        pairs = pool.map(lambda product: (product, kk.products.get(product.spu)), turns)
        assert all(found == product for product, found in pairs)
    assert sandbox.throttled == 0


def test_500_look_ups_of_a_thread_pool_are_17_requests():
    with (
        Sandbox(products=500, index_lag=0, capacity=100_000, per_second=10_000) as sandbox,
        KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=RateLimit(1, 5.0), max_wait=None) as kk,
    ):
        spus = list(sandbox.catalog.spus())
        kk.payment.balance()  # takes the only permit there is: the look-ups have to wait
        with ThreadPoolExecutor(500) as pool:
            assert [product.spu for product in pool.map(kk.products.get, spus)] == spus
        assert sandbox.requests["/v1/product/products"] == 17


def test_interactive_calls_of_one_thread_overtake_the_bulk_calls_of_others():
    with (
        Sandbox(products=50, capacity=100_000, per_second=10_000) as sandbox,
        KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=RateLimit(1, 20.0), max_wait=None) as kk,
    ):
        kk.payment.balance()
        ends = []
        with ThreadPoolExecutor(32) as pool:
            calls = [pool.submit(kk.bulk().payment.balance) for _ in range(30)]
            while kk.stats().lanes[Lane.BULK].queued < 20:
                time.sleep(0)
            kk.warehouses.all()
            ends = [call.done() for call in calls]
        assert ends.count(False) >= 15


def test_close_ends_running_calls_of_other_threads(kk, sandbox):
    sandbox.faults.add(Fault(FaultKind.SILENCE, times=None))
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(kk.payment.balance) for _ in range(4)]
        while sandbox.requests.total() < 4:
            time.sleep(0)
        kk.close()
        assert {type(call.exception()) for call in calls} == {ClientClosed}


def test_ctrl_c_in_a_read_leaves_the_client_usable(client_script, sandbox):
    sandbox.faults.add(Fault(FaultKind.SILENCE, path="/v1/payment/balance"))
    code = """
        try:
            kk.payment.balance()
        except KeyboardInterrupt:
            print(type(kk.payment.balance()).__name__)
    """
    assert client_script(code, interrupt_when=sandbox.requests.total) == ["Balance"]


def test_ctrl_c_in_an_order_says_by_which_number_to_look_for_it(client_script, kk, sandbox):
    sku, _ = orderable(kk)
    sandbox.faults.add(Fault(FaultKind.SILENCE, path="/v2/order/orders"))
    code = f"""
        try:
            kk.orders.create(NewOrder(address=ADDRESS, items=[Item({sku!r}, 1)]))
        except OutcomeUnknown as error:
            print(error.custom_order_id, type(kk.payment.balance()).__name__)
    """
    number, usable = client_script(code, interrupt_when=lambda: sandbox.journal)
    assert [order.custom_order_id for order in kk.orders.find(number, past(days=1))] == [number]
    assert usable == "Balance"


def test_ctrl_c_in_an_iteration_ends_it_and_it_does_not_look_complete(client_script, sandbox):
    sandbox.faults.add(Fault(FaultKind.SILENCE, path="/v1/product/products", skip=1, times=None))
    code = """
        from datetime import UTC, datetime, timedelta
        now = datetime.now(UTC)
        rows = kk.products.updated(now - timedelta(days=3650), now)
        try:
            for row in rows: pass
        except KeyboardInterrupt:
            pass
        try:
            list(rows)
        except IncompletePull:
            print(type(kk.payment.balance()).__name__)
    """
    assert client_script(code, interrupt_when=lambda: sandbox.requests.total() > 1) == ["Balance"]


def test_a_forked_child_has_a_session_of_its_own_and_keeps_views_and_listeners(client_script):
    assert client_script("""
        import os, sys, warnings
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork")
        sent = []
        kk.on_event(lambda event: sent.append(os.getpid()) if isinstance(event, Sent) else None)
        bulk = kk.bulk().payment
        print(type(bulk.balance()).__name__, flush=True)
        pid = os.fork()
        if pid == 0:
            print(type(bulk.balance()).__name__, kk.stats().requests, sent.count(os.getpid()))
            sys.exit()
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        print(type(bulk.balance()).__name__, kk.stats().requests, sent.count(os.getpid()))
    """) == ["Balance", "Balance", "1", "1", "0", "Balance", "2", "2"]


def test_a_script_may_end_without_closing_its_client(client_script):
    assert client_script("print(type(kk.payment.balance()).__name__)") == ["Balance"]
    assert client_script("print(type(next(kk.orders.query(), None)).__name__)") == ["NoneType"]


@pytest.mark.slow
def test_64_threads_for_30_seconds_leave_no_thread_socket_or_task(client_script):
    assert client_script("""
        import asyncio, os, threading, time
        from datetime import UTC, datetime, timedelta
        now = datetime.now(UTC)
        everything = now - timedelta(days=3650), now

        def sockets():
            links = [os.readlink(link.path) for link in os.scandir("/proc/self/fd") if os.path.islink(link.path)]
            return sum("socket:" in link for link in links)

        before = sockets()
        products = list(kk.products.updated(*everything))
        end = time.monotonic() + 30
        calls = []

        def work(seed):
            turn = seed
            while time.monotonic() < end:
                turn += 1
                product = products[turn % len(products)]
                assert kk.products.get(product.spu) == product
                if turn % 20 == 0:
                    rows = kk.products.updated(*everything)
                    assert next(rows).spu
                    if turn % 40 == 0:
                        rows.close()
            calls.append(turn - seed)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(64)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()

        async def tasks():
            for _ in range(100): await asyncio.sleep(0)
            return len(asyncio.all_tasks())

        print(len(calls), kk._bridge.thread().run(tasks))
        kk.close()
        print(threading.active_count(), sockets() - before)
    """) == ["64", "2", "1", "0"]


def test_lazy_arguments_are_read_on_the_callers_thread(kk):
    """As a cursor, a query set or a stream of this client's demands."""
    seen = []

    def skus():
        for product in kk.products.updated(past(days=3650), past(minutes=10)):
            seen.append(threading.current_thread())
            yield product.sku_details[0].sku

    class QuerySet:
        def __iter__(self):
            return skus()

    one = kk.stocks.get_many(skus())
    other = kk.stocks.get_many(QuerySet())

    assert one == other != ()
    assert set(seen) == {threading.current_thread()}


def test_carts_of_a_generator_are_read_on_the_callers_thread_and_all_of_them(kk):
    skus = orderable(kk)

    matrix = kk.freight.matrix(((Item(sku, 1) for _ in (1,)) for sku in skus), iter(["US", "FR"]))

    assert list(matrix) == [((Item(sku, 1),), country) for sku in skus for country in ("US", "FR")]
