"""A client that exists when its process forks, as under Celery, gunicorn and multiprocessing."""

import os

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")

FORK = """
import gc, os, sys, threading, warnings
warnings.filterwarnings("ignore", message=".*multi-threaded.*fork")
from support.toys import AsyncShop, Shop

def in_child(work):
    "Run work in a forked child that ends like any script; return its exit status."
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        work()
        sys.exit()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

shop = Shop()
"""

# A client whose connection stays open between calls, with a server in the same process that counts connections.
CONNECTED = """
import asyncio, socketserver
from kakaclo_sync._proxy import BlockingProxy, Bridge, blocking

class Line(socketserver.StreamRequestHandler):
    def handle(self):
        connections.append(self)
        for line in self.rfile:
            self.wfile.write(line)

class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

connections = []
server = Server(("127.0.0.1", 0), Line)
threading.Thread(target=server.serve_forever, daemon=True).start()

class AsyncWire:
    writer = None
    async def ask(self, text):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(*server.server_address)
        self.writer.write(text.encode() + b"\\n")
        return (await self.reader.readline()).decode().strip()
    def __del__(self):
        if self.writer is not None:
            self.writer.close()  # as sessions and connectors do
    async def aclose(self):
        self.writer.close()

class Wire(BlockingProxy):
    ask = blocking(AsyncWire.ask)

wire = Wire(Bridge(AsyncWire, AsyncWire.aclose), lambda wire: wire)
"""


def test_a_child_makes_its_own_loop_and_the_parent_goes_on(script):
    assert script(
        FORK
        + """
print(shop.run(os.getpid) == os.getpid())
def child():
    print(shop.run(os.getpid) == os.getpid(), shop.echo("child"), *shop.core.ends)
print(in_child(child), shop.echo("parent"))
"""
    ) == ["True", "True", "child", "0", "parent"]


def test_a_client_that_the_parent_never_used_works_in_every_child(script):
    assert script(
        FORK
        + """
print(*[in_child(lambda: print(shop.echo(number))) for number in range(3)])
"""
    ) == ["0", "1", "2", "0", "0", "0"]


def test_children_of_children_work_too(script):
    assert script(
        FORK
        + """
def child():
    print(shop.echo("child"), flush=True)
    print(in_child(lambda: print(shop.echo("grandchild"))), shop.echo("child again"))
print(shop.echo("parent"), flush=True)
print(in_child(child), shop.echo("parent again"))
"""
    ) == ["parent", "child", "grandchild", "0", "child", "again", "0", "parent", "again"]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("leave", ["pass", "os._exit(0)", "globals().pop('wire'); gc.collect()"])
def test_no_socket_is_shared_and_the_parents_connections_survive_the_child(script, loop, leave):
    no_uvloop = "import sys; sys.modules['uvloop'] = None\n" if loop == "asyncio" else "import uvloop\n"
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    assert script(
        no_uvloop
        + FORK
        + CONNECTED
        + f"""
print(wire.ask("before"), len(connections))
def child():
    print(wire.ask("child"), flush=True)
    {leave}
print(in_child(child), len(connections))
print(in_child(lambda: None))
print(wire.ask("after"), len(connections))
wire._bridge.close()
"""
    ) == ["before", "1", "child", "0", "2", "0", "after", "2"]


def test_forking_while_threads_are_in_calls_hangs_nobody(script):
    assert script(
        FORK
        + """
stop = False
def work():
    while not stop:
        shop.echo(1, turns=3)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
def child():
    assert shop.echo("child") == "child"
    assert sum(shop.count(100)) == 4950
    os._exit(0)
print({in_child(child) for _ in range(40)})
stop = True
for thread in threads: thread.join()
print(shop.echo("parent"))
"""
    ) == ["{0}", "parent"]


def test_forking_while_another_thread_starts_the_loop_hangs_nobody(script):
    assert script(
        FORK
        + """
def child():
    assert shop.echo("child") == "child"
    os._exit(0)
statuses = set()
for _ in range(30):
    shop = Shop()
    starter = threading.Thread(target=shop.echo, args=(1,))
    starter.start()
    statuses.add(in_child(child))
    starter.join()
    shop.close()
print(statuses)
"""
    ) == ["{0}"]


def test_an_iterator_of_the_parent_is_refused_in_the_child_and_goes_on_in_the_parent(script):
    assert script(
        FORK
        + """
rows = shop.count(200)
print(next(rows), flush=True)
from kakaclo_async.errors import ClientClosed
def child():
    try:
        for row in rows: pass
    except ClientClosed as error:
        print("parent" in str(error))
    rows.close()
print(in_child(child), sum(rows))
"""
    ) == ["0", "True", "0", "19900"]


def test_a_client_closed_before_the_fork_is_closed_in_the_child(script):
    assert script(
        FORK
        + """
shop.echo(1)
shop.close()
from kakaclo_async.errors import ClientClosed
def child():
    try:
        shop.echo(1)
    except ClientClosed:
        print("closed")
print(in_child(child))
"""
    ) == ["closed", "0"]


def test_closing_in_the_child_leaves_the_parent_open(script):
    assert script(
        FORK
        + """
shop.echo(1)
print(in_child(shop.close), shop.echo("open"))
"""
    ) == ["0", "open"]


def test_a_forking_pool_of_multiprocessing_shares_a_global_client(script):
    assert script(
        FORK
        + """
import multiprocessing
def double(number):
    return shop.echo(number) * 2
shop.echo(1)
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(*pool.map(double, range(4)))
    pool.close()
    pool.join()
print(shop.echo("parent"))
"""
    ) == ["0", "2", "4", "6", "parent"]


def test_a_child_that_inherits_uvloops_thread_pool_ends_in_order(script):
    pytest.importorskip("uvloop")
    assert script(
        FORK
        + """
import asyncio
async def look_up():
    return len(await asyncio.get_running_loop().getaddrinfo("localhost", 80)) > 0
print(shop._bridge.thread().run(look_up))
def child():
    print(in_child(lambda: None), "grandchild", flush=True)
print(in_child(child), in_child(lambda: shop._bridge.thread().run(look_up)), shop.echo("parent"))
"""
    ) == ["True", "0", "grandchild", "0", "0", "parent"]


def test_forking_while_another_thread_makes_the_first_client_hangs_nobody(script):
    assert script(
        """
import os, signal, sys, threading, warnings
warnings.filterwarnings("ignore", message=".*multi-threaded.*fork")
sys.setswitchinterval(1e-5)
import kakaclo_sync

def look():
    kakaclo_sync.KakaClo("t")
    for name in ("Sandbox", "Journal", "Mirror"):
        getattr(kakaclo_sync, name)

looking = threading.Thread(target=look)
looking.start()
statuses = set()
going = True
while going:
    going = looking.is_alive()
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # it would hang for ever on the lock of a half-done import
        look()
        os._exit(0)
    statuses.add(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(statuses)
""",
        measured=False,
    ) == ["{0}"]
