"""One sandbox for several shops: one catalog, and for each token a bucket, orders and money."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kakaclo_async.sandbox import Sandbox

BALANCE = "/v1/payment/balance"
ORDERS = "/v2/order/orders"
TWO = {"token": "a", "tokens": ("b",), "index_lag": 0}


async def test_each_token_has_a_bucket_of_its_own(opened):
    http = await opened(**TWO, capacity=2, per_second=1)
    statuses = {
        token: [(await http.call("GET", BALANCE, token=token))[0] for _ in range(3)] for token in "ab"
    }

    assert statuses == {"a": [200, 200, 429], "b": [200, 200, 429]}
    assert [http.sandbox.shop(token).requests.total() for token in "ab"] == [3, 3]
    assert [http.sandbox.shop(token).throttled for token in "ab"] == [1, 1]
    assert http.sandbox.throttled == 2
    http.sandbox.capacity = 3
    assert [(await http.call("GET", BALANCE, token=token))[0] for token in "ab"] == [200, 200]


async def test_each_token_has_orders_and_money_of_its_own(opened, order_body):
    http = await opened(**TWO)
    sku = next(http.sandbox.catalog.skus())
    await http.document("POST", ORDERS, body=order_body((sku, 1)), token="b")

    other = http.sandbox.shop("b").ledger
    assert [len(ledger.placed) for ledger in (http.sandbox.ledger, other)] == [0, 1]
    assert other.balance < http.sandbox.ledger.balance
    shown = [(await http.document("GET", BALANCE, token=token))["data"] for token in "ab"]
    assert [Decimal(str(balance)) for balance in shown] == [http.sandbox.ledger.balance, other.balance]


async def test_all_see_one_catalog(opened, ever):
    http = await opened(**TWO)
    http.sandbox.catalog.set_price(next(http.sandbox.catalog.skus()), Decimal("55.55"))
    seen = [
        await http.document("GET", "/v1/product/products", token=token, pageNumber=1, **ever)
        for token in "ab"
    ]
    assert seen[0]["data"] == seen[1]["data"]


async def test_a_token_that_is_taken_out_is_refused_and_finds_its_shop_when_it_comes_back(opened, order_body):
    http = await opened(**TWO)
    await http.document("POST", ORDERS, body=order_body((next(http.sandbox.catalog.skus()), 1)), token="b")

    http.sandbox.tokens = ()
    assert (await http.call("GET", BALANCE, token="b"))[0] == 401
    with pytest.raises(KeyError, match="does not accept this token"):
        http.sandbox.shop("b")
    http.sandbox.tokens = ("c", "b")
    assert (await http.call("GET", BALANCE, token="c"))[0] == 200
    assert len(http.sandbox.shop("b").ledger.placed) == 1


@pytest.mark.parametrize("tokens", [("b", "b"), ("",), (" ", "b")])
def test_tokens_that_cannot_be_told_apart_are_refused(tokens):
    with pytest.raises(ValueError, match="tokens must all differ, and none may be empty"):
        Sandbox(tokens=tokens)
