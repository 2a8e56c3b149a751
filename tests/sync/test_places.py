"""Where blocking callers live: notebooks, Django, Celery's way of working, green threads."""

import pytest


@pytest.mark.process
def test_a_notebook_cell_works_and_warns_that_it_blocks_the_kernels_loop(sandbox):
    manager = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    code = f"""
import warnings
from kakaclo_sync import KakaClo
kk = KakaClo({sandbox.token!r}, base_url={sandbox.url!r})
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    balance = kk.payment.balance()
print(balance.amount, *[str(warning.message)[:13] for warning in caught])
print(len(list(kk.orders.query())))
kk.close()
"""
    kernel, client = manager.start_new_kernel(kernel_name="python3", startup_timeout=60)
    try:
        output = []
        reply = client.execute_interactive(
            code,
            timeout=60,
            output_hook=lambda message: output.append(message["content"].get("text", message["content"])),
        )
        assert reply["content"]["status"] == "ok", output
        assert f"{sandbox.balance} this blocking" in "".join(map(str, output))
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
        kernel.cleanup_resources()


def test_a_django_view_calls_like_any_blocking_code(client_script):
    pytest.importorskip("django")
    assert client_script("""
        import django
        from django.conf import settings
        from django.http import JsonResponse
        from django.test import AsyncClient, Client
        from django.urls import path

        def balance(request):
            return JsonResponse({"amount": str(kk.payment.balance().amount)})

        urlpatterns = [path("balance", balance)]
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x")
        django.setup()
        print(Client().get("/balance").json()["amount"])

        import asyncio
        async def under_asgi():  # Django runs the view in a thread
            answers = await asyncio.gather(*[AsyncClient().get("/balance") for _ in range(5)])
            return {answer.json()["amount"] for answer in answers}
        print(*asyncio.run(under_asgi()))
    """) == ["10000.00", "10000.00"]


def test_a_handler_of_an_async_web_server_works_and_warns_that_it_blocks(client_script):
    assert client_script("""
        import asyncio, warnings
        import aiohttp
        from aiohttp import web

        async def balance(request):
            return web.Response(text=str(kk.payment.balance().amount))

        async def in_thread(request):
            return web.Response(text=str((await asyncio.to_thread(kk.payment.balance)).amount))

        async def main():
            app = web.Application()
            app.router.add_get("/balance", balance)
            app.router.add_get("/in_thread", in_thread)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = "http://127.0.0.1:%d" % runner.addresses[0][1]
            async with aiohttp.ClientSession() as session:
                for path in ("/balance", "/in_thread"):
                    with warnings.catch_warnings(record=True) as caught:
                        warnings.simplefilter("always")
                        async with session.get(url + path) as answer:
                            print(await answer.text(), len([w for w in caught if "holds up" in str(w.message)]))
            await runner.cleanup()

        asyncio.run(main())
    """) == ["10000.00", "1", "10000.00", "0"]


@pytest.mark.parametrize(
    ("library", "patch", "replaced"),
    [
        ("gevent", "monkey.patch_all()", "_thread, queue, select"),
        ("gevent", "monkey.patch_all(thread=False)", "queue, select"),
        ("gevent", "monkey.patch_select()", "select"),
        ("eventlet", "patcher.monkey_patch()", "thread, select"),
    ],
)
def test_what_green_threads_have_replaced_is_refused_in_one_sentence(script, library, patch, replaced):
    pytest.importorskip(library)
    output = script(f"""
        import warnings
        warnings.simplefilter("ignore")
        import {library}.{patch.split(".")[0]}
        {library}.{patch}
        from kakaclo_sync import ConfigurationError, KakaClo
        try:
            KakaClo("t").payment.balance()
        except ConfigurationError as error:
            print(error)
    """)
    assert " ".join(output).startswith(f"{library} has replaced {replaced} in this process")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_gevent_that_leaves_threads_queues_and_selectors_alone_works(script, sandbox, loop):
    pytest.importorskip("gevent")
    code = f"""
        import sys
        if {loop == "asyncio"}:
            sys.modules["uvloop"] = None
        import gevent.monkey
        gevent.monkey.patch_all(thread=False, queue=False, select=False)
        from kakaclo_sync import KakaClo
        kk = KakaClo({sandbox.token!r}, base_url={sandbox.url!r})
        print(kk.payment.balance().amount)
        greenlets = [gevent.spawn(kk.payment.balance) for _ in range(5)]
        gevent.joinall(greenlets)
        print(*[greenlet.value.amount for greenlet in greenlets])
    """
    assert script(code) == ["10000.00"] * 6
