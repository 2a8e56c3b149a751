"""The shop against a local KakaClo: run `pytest` in this folder."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from io import StringIO
from threading import Barrier, Thread

import django
import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import AsyncClient, Client
from django.test.utils import override_settings, setup_test_environment

import kakaclo_sync
from kakaclo_async.sandbox import Fault

os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
django.setup()
setup_test_environment()

from shop import clients  # noqa: E402 - it reads the settings
from shop.asgi import application  # noqa: E402

ORDERS = "/v2/order/orders"
PLAIN = "application/json"

pytestmark = pytest.mark.kakaclo_sandbox(products=30, index_lag=0)


@pytest.fixture(autouse=True)
def shop(kakaclo_environment, tmp_path):
    databases = {
        "SHOP_JOURNAL": f"sqlite:///{tmp_path}/orders.db",
        "SHOP_CATALOG": f"sqlite:///{tmp_path}/catalog.db",
    }
    with override_settings(**databases):
        yield Client()
    clients.close()


@pytest.fixture
def sku(kakaclo_environment):
    return next(kakaclo_environment.catalog.selling(pieces=5))


@pytest.fixture
def order(sku):
    address = {"country": "US", "recipient": "A. Customer", "phone": "555 0100", "province": "California"}
    address |= {"street1": "1 Main St", "city": "Los Angeles", "zip": "90001"}
    return {"custom_order_id": "A-1", "address": address, "items": [{"sku": sku, "quantity": 2}]}


async def served(*requests):
    """Send requests while a server lives, all at once."""
    life = ApplicationCommunicator(application, {"type": "lifespan"})
    await life.send_input({"type": "lifespan.startup"})
    assert (await life.receive_output())["type"] == "lifespan.startup.complete"
    answers = await asyncio.gather(
        *(AsyncClient().post(path, body, content_type=PLAIN) for path, body in requests)
    )
    await life.send_input({"type": "lifespan.shutdown"})
    assert (await life.receive_output())["type"] == "lifespan.shutdown.complete"
    await life.wait()
    return answers


def test_an_async_view_quotes_equal_carts_with_one_request_of_one_client(order, kakaclo_environment):
    answers = asyncio.run(served(*[("/quote/US", order["items"])] * 5))
    for answer in answers:
        assert {option["channel_type"] for option in answer.json()["options"]} >= {"Standard", "Express"}
    assert kakaclo_environment.requests.total() == 1


def test_a_client_is_open_as_long_as_its_server(order):
    for _ in range(2):  # each in an event loop of its own
        [answer] = asyncio.run(served(("/quote/US", order["items"])))
        assert answer.status_code == 200
    with pytest.raises(ImproperlyConfigured, match="a server with a lifespan"):
        asyncio.run(AsyncClient().post("/quote/US", order["items"], content_type=PLAIN))


def test_a_server_without_a_token_does_not_start_and_says_why(monkeypatch):
    monkeypatch.delenv("KAKACLO_TOKEN")

    async def start():
        life = ApplicationCommunicator(application, {"type": "lifespan"})
        await life.send_input({"type": "lifespan.startup"})
        return await life.receive_output()

    answer = asyncio.run(start())
    assert answer["type"] == "lifespan.startup.failed"
    assert "KAKACLO_TOKEN" in answer["message"]


def test_sync_views_share_a_client_however_many_threads_come_first(shop, kakaclo_environment, monkeypatch):
    made, make = [], kakaclo_sync.KakaClo
    monkeypatch.setattr(kakaclo_sync, "KakaClo", lambda **settings: made.append(make(**settings)) or made[-1])
    skus = list(kakaclo_environment.catalog.skus())[:20]
    together, shown = Barrier(len(skus)), set()

    def look(sku):
        together.wait()
        shown.add(Client().get(f"/stock/{sku}").json()["sku"])

    threads = [Thread(target=look, args=(sku,)) for sku in skus]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown == {*skus}
    assert len(made) == 1


def test_an_order_whose_answer_is_lost_is_not_placed_twice(shop, order, kakaclo_environment):
    kakaclo_environment.faults.add(Fault("reset_after", path=ORDERS, method="POST"))
    answers = [shop.put("/orders/A-1", order, content_type=PLAIN) for _ in range(3)]
    assert answers[-1].status_code == 200
    assert answers[-1].json()["id"] in kakaclo_environment.ledger.orders
    assert len(kakaclo_environment.journal) == 1


def test_what_kakaclo_refuses_is_told_and_nobody_is_in_it(shop, order, kakaclo_environment):
    kakaclo_environment.faults.add(Fault("rejected", path=ORDERS, method="POST", message="sold out"))
    answer = shop.put("/orders/A-1", order, content_type=PLAIN)
    assert answer.status_code == 409
    assert answer.json()["error"] == "Rejected"
    assert "A. Customer" not in answer.text


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [("[", 400, "Expecting"), ("[]", 422, "the fields of NewOrder"), ('{"items": []}', 422, "address: it is missing")],
)  # fmt: skip
def test_mistakes_are_told(shop, body, status, told):
    answer = shop.put("/orders/A-1", body, content_type=PLAIN)
    assert (answer.status_code, told in answer.json()["text"]) == (status, True)


def test_the_number_in_the_address_is_the_orders(shop, order):
    assert shop.put("/orders/B-2", order, content_type=PLAIN).status_code == 422


def test_a_sku_that_is_not_there_is_not_found(shop):
    assert shop.get("/stock/NO-SUCH").status_code == 404


def test_the_command_mirrors_the_catalog_and_goes_on_from_there(tmp_path, kakaclo_environment):
    said = StringIO()
    call_command("mirror", stdout=said)
    assert said.getvalue().startswith("30 products and ")
    with sqlite3.connect(tmp_path / "catalog.db") as catalog:
        assert catalog.execute("SELECT count(*) FROM product").fetchone() == (30,)
    catalog.close()
    call_command("mirror", stdout=said)
    assert said.getvalue().splitlines()[1].startswith("0 products")


def test_the_command_says_what_failed(kakaclo_environment):
    kakaclo_environment.token = "another"
    with pytest.raises(CommandError, match="token"):
        call_command("mirror")
