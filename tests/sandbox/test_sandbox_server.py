from __future__ import annotations

import ast
import asyncio
import select
import socket
from contextlib import ExitStack
from graphlib import TopologicalSorter
from pathlib import Path

import aiohttp
import pytest

import kakaclo_async.sandbox
from kakaclo_async.sandbox import Fault, Sandbox
from kakaclo_async.transport import _CONNECTIONS

BALANCE = "/v1/payment/balance"


ROOT = Path(kakaclo_async.sandbox.__file__).parent
PACKAGE = "kakaclo_async.sandbox"
LAYERS = ["wire", "settings", "world", "trade", "http", "state", "sandbox"]


def imported():
    """Each module of the sandbox with the modules it imports, those for type checkers included."""
    found = {}
    for file in ROOT.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
        assert not any(node.level for node in froms)
        plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        module = ".".join([PACKAGE, *file.relative_to(ROOT).with_suffix("").parts])
        found[module] = [*plain, *(node.module for node in froms)]
    assert len(found) > 15
    return found


def test_the_sandbox_imports_nothing_of_the_sdk():
    for names in imported().values():
        for name in names:
            assert not name.startswith("kakaclo") or name.startswith(f"{PACKAGE}.")


def test_the_folders_import_downwards_and_no_modules_in_a_circle():
    graph = {
        module: [name for name in names if name.startswith(PACKAGE)] for module, names in imported().items()
    }
    graph.pop(f"{PACKAGE}.__init__")
    assert list(TopologicalSorter(graph).static_order())
    for module, names in graph.items():
        rank = LAYERS.index(module.split(".")[2])
        assert all(LAYERS.index(name.split(".")[2]) <= rank for name in names), module


@pytest.mark.parametrize("token", ["wrong", "sandbox-token2"])
async def test_a_bad_token_gets_401_and_does_not_fill_the_bucket(opened, token):
    http = await opened()
    status, text, _ = await http.call("GET", BALANCE, token=token)
    assert status == 401
    assert "sandbox-token" not in text
    assert http.sandbox.level == 0
    assert http.sandbox.requests[BALANCE] == 1


async def test_no_token_gets_401(http):
    async with http.session.get(http.sandbox.url + BALANCE) as answer:
        assert answer.status == 401


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v9/nothing"), ("POST", BALANCE), ("GET", "/v2/order/orders/1/refund")]
)
async def test_what_is_not_there_gets_404(http, method, path):
    assert (await http.call(method, path))[0] == 404


async def test_the_log_tells_what_came_in(http):
    await http.call("GET", "/v1/product/products", spus="A,B")
    await http.call("POST", "/v2/order/orders", body={"a": 1})
    get, post = http.sandbox.log
    assert (get.method, get.path, get.query, get.status) == (
        "GET",
        "/v1/product/products",
        {"spus": "A,B"},
        200,
    )
    assert (post.body, post.status, post.at) == (b'{"a": 1}', 200, http.sandbox.now())
    assert http.sandbox.requests.total() == 2


async def test_the_log_keeps_as_much_as_it_was_told(opened):
    http = await opened(log_size=3)
    for number in range(5):
        await http.call("GET", BALANCE, n=number)
    assert [served.query["n"] for served in http.sandbox.log] == ["2", "3", "4"]
    assert http.sandbox.requests[BALANCE] == 5


async def test_a_stopped_sandbox_starts_again_where_it_was(http, order_body):
    url = http.sandbox.url
    sku = next(http.sandbox.catalog.selling())
    await http.post("/v2/order/orders", order_body((sku, 1)))
    await http.sandbox.aclose()
    with pytest.raises(aiohttp.ClientConnectorError):
        await http.call("GET", BALANCE)
    await http.sandbox.start()
    assert http.sandbox.url == url
    assert (await http.get("/v2/order/orders"))["total"] == 1


async def test_starting_twice_and_asking_too_early_is_refused_in_a_sentence():
    sandbox = Sandbox(products=1)
    for ask in (lambda: sandbox.url, lambda: sandbox.catalog, lambda: sandbox.ledger, sandbox.now):
        with pytest.raises(RuntimeError, match="start it first"):
            ask()
    await sandbox.aclose()
    async with sandbox:
        with pytest.raises(RuntimeError, match="running already"):
            await sandbox.start()
    await sandbox.aclose()


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_behind(http):
    rival = Sandbox(products=1, port=http.sandbox.port)
    with pytest.raises(OSError, match="address already in use"):
        await rival.start()
    await rival.aclose()


async def test_the_repr_shows_where_it_listens_and_no_token(http):
    assert http.sandbox.url in repr(http.sandbox)
    assert "products=40" in repr(http.sandbox)
    assert http.sandbox.token not in repr(http.sandbox)
    await http.sandbox.aclose()
    assert "stopped" in repr(http.sandbox)


async def test_serving_for_ever_ends_with_its_task():
    sandbox = Sandbox(products=1)
    serving = asyncio.create_task(sandbox.serve_forever())
    while "stopped" in repr(sandbox):
        await asyncio.sleep(0)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert "stopped" in repr(sandbox)


async def test_serving_for_ever_goes_on_from_a_started_sandbox():
    async with Sandbox(products=1) as sandbox:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sandbox.serve_forever(), 0.01)
        assert "stopped" in repr(sandbox)


@pytest.mark.parametrize("kind", ["silence", "delay"])
async def test_stopping_cuts_off_requests_that_hang_and_leaves_no_task(kind):
    before = asyncio.all_tasks()
    async with Sandbox(products=1) as sandbox, aiohttp.ClientSession() as session:
        sandbox.faults.add(Fault(kind, seconds=1e6))
        headers = {"Authorization": f"Bearer {sandbox.token}"}
        hanging = asyncio.create_task(session.get(sandbox.url + BALANCE, headers=headers))
        while not sandbox.log:
            await asyncio.sleep(0)
        await sandbox.aclose()
        await asyncio.wait([hanging])
        if hanging.exception() is None:
            hanging.result().close()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_client_that_gives_up_ends_its_silent_request():
    before = asyncio.all_tasks()
    async with Sandbox(products=1) as sandbox:
        sandbox.faults.add(Fault("silence"))
        headers = {"Authorization": f"Bearer {sandbox.token}"}
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(0.05)) as session:
            with pytest.raises(TimeoutError):
                await session.get(sandbox.url + BALANCE, headers=headers)
        async with asyncio.timeout(60):
            while asyncio.all_tasks() != before:
                await asyncio.sleep(0)


@pytest.mark.stepped
async def test_a_stepped_event_loop_steps_the_sandbox_too():
    async with Sandbox(products=1, capacity=10) as sandbox, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {sandbox.token}"}

        async def ask():
            async with session.get(sandbox.url + BALANCE, headers=headers) as answer:
                return answer.status

        sandbox.faults.add(Fault("delay", seconds=200.0))
        began = sandbox.now()
        assert await ask() == 200
        assert (sandbox.now() - began).total_seconds() >= 200
        while await ask() == 200:
            pass
        await asyncio.sleep(5)
        assert await ask() == 200


async def test_it_takes_as_many_connections_at_once_as_a_client_may_open(http):
    """What the kernel drops comes again a second later: slow for a user, and too late for a stepped clock."""
    with ExitStack() as stack, select.epoll() as connected:
        for _ in range(_CONNECTIONS):  # nothing accepts them meanwhile
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", http.sandbox.port))
            connected.register(client, select.EPOLLOUT)
        assert len(connected.poll(0, _CONNECTIONS)) == _CONNECTIONS
