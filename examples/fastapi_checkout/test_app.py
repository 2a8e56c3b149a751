"""The checkout against a local KakaClo: run `pytest` in this folder."""

from __future__ import annotations

import pytest
from app import app
from fastapi.testclient import TestClient

from kakaclo_async.sandbox import Fault

ORDERS = "/v2/order/orders"

pytestmark = pytest.mark.kakaclo_sandbox(products=30, index_lag=0)


@pytest.fixture
def shop(kakaclo_environment, monkeypatch, tmp_path):
    monkeypatch.setenv("SHOP_JOURNAL", f"sqlite:///{tmp_path}/orders.db")
    with TestClient(app) as client:
        yield client


@pytest.fixture
def order(kakaclo_environment):
    sku = next(kakaclo_environment.catalog.selling(pieces=5))
    address = {"country": "US", "recipient": "A. Customer", "phone": "555 0100", "province": "California"}
    address |= {"street1": "1 Main St", "city": "Los Angeles", "zip": "90001"}
    return {"custom_order_id": "A-1", "address": address, "items": [{"sku": sku, "quantity": 2}]}


def test_a_cart_gets_its_freight(shop, order):
    options = shop.post("/quote", json={"items": order["items"], "country": "US"}).json()["options"]
    assert {option["channel_type"] for option in options} >= {"Standard", "Express"}


def test_an_order_is_checked_with_its_price(shop, order):
    found = shop.post("/check", json=order).json()
    assert found["problems"] == []
    assert found["sub_total"] > "0"


def test_an_order_is_placed_once_however_often_it_is_sent(shop, order, kakaclo_environment):
    created = [shop.put("/orders/A-1", json=order).json()["id"] for _ in range(3)]
    assert len(set(created)) == len(kakaclo_environment.journal) == 1
    [placed] = shop.get("/orders/A-1").json()["orders"]
    assert placed["id"] == created[0]


def test_an_order_whose_answer_is_lost_is_not_placed_twice(shop, order, kakaclo_environment):
    kakaclo_environment.faults.add(Fault("reset_after", path=ORDERS, method="POST"))
    answers = [
        shop.put("/orders/A-1", json=order).status_code for _ in range(3)
    ]  # 202: the browser sends it again
    assert answers[-1] == 200
    assert len(kakaclo_environment.journal) == 1


def test_what_kakaclo_refuses_is_told_and_nobody_is_in_it(shop, order, kakaclo_environment):
    kakaclo_environment.faults.add(Fault("rejected", path=ORDERS, method="POST", message="sold out"))
    answer = shop.put("/orders/A-1", json=order)
    assert answer.status_code == 409
    assert answer.json()["error"] == "Rejected"
    assert "A. Customer" not in answer.text


def test_mistakes_are_told_field_by_field(shop, order):
    order["address"].pop("phone")
    answer = shop.post("/check", json=order)
    assert answer.status_code == 422
    assert ["body", "address", "phone"] in [problem["loc"] for problem in answer.json()["detail"]]
    assert (
        shop.put("/orders/B-2", json=order | {"address": order["address"] | {"phone": "5"}}).status_code
        == 422
    )
