"""A setting or an argument of another type is refused in a sentence, when it is given: not by Python, nor by a later call."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from support.shop import ADDRESS

import kakaclo_async
import kakaclo_sync
from kakaclo_async import ConfigurationError, InvalidRequest, Item, NewDesign, NewOrder, RedisBucket
from kakaclo_async.catalog import Mirror
from kakaclo_async.ordering import Journal

pytestmark = [pytest.mark.stepped, pytest.mark.kakaclo_sandbox(products=5, index_lag=0)]


@pytest.mark.parametrize("face", [kakaclo_async, kakaclo_sync], ids=lambda face: face.__name__)
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"token": 5}, "token must be a str or a function that returns one, not int"),
        ({"token": b"x"}, "token must be a str or a function that returns one, not bytes"),
        ({"token": "t", "session": "x"}, "session must be an aiohttp.ClientSession, not str"),
        ({"token": "t", "record": 5}, "record must be a str or a Recording, not int"),
    ],
    ids=str,
)
def test_a_client_is_not_made_of_another_type(face, settings, told):
    if face is kakaclo_sync and "session" in settings:
        pytest.skip("it takes none")
    with pytest.raises(ConfigurationError, match=f"^{told}$"):
        face.KakaClo(**settings)


@pytest.mark.parametrize("url", [5, None, Path("orders.db"), b"sqlite:///orders.db"], ids=repr)
async def test_a_database_is_named_by_a_text(kk, url):
    told = rf"'s database URL must be a str, not {type(url).__name__}$"
    with pytest.raises(ConfigurationError, match=f"^the journal{told}"):
        Journal(url)
    with pytest.raises(ConfigurationError, match=f"^the mirror{told}"):
        Mirror(kk, url)


@pytest.mark.parametrize("name", ["quiet_time", "lease"])
@pytest.mark.parametrize("seconds", ["a", None, True, math.inf, math.nan, 1e10, -1], ids=repr)
def test_a_journals_times_are_numbers_of_seconds(name, seconds):
    with pytest.raises(ConfigurationError, match=f"^{name} must be a number, .* at most 3.1536e.07, not "):
        Journal("sqlite:///orders.db", **{name: seconds})


def test_a_bucket_is_named_by_a_text_and_limited_by_a_rate():
    with pytest.raises(
        ConfigurationError, match="^the address of Redis must be a str or a RedisServer, not int$"
    ):
        RedisBucket(5)
    with pytest.raises(ConfigurationError, match="^rate_limit must be a RateLimit, not int$"):
        RedisBucket("redis://127.0.0.1", rate_limit=5)


async def test_what_listens_to_events_is_a_function(kk):
    with pytest.raises(ConfigurationError, match="^callback must be a function, not int$"):
        kk.on_event(5)
    assert await kk.payment.balance()


def test_the_blocking_face_forgets_what_cannot_listen(sandbox):
    with kakaclo_sync.KakaClo("token", base_url=sandbox.url) as kk:
        with pytest.raises(ConfigurationError, match="^callback must be a function, not int$"):
            kk.on_event(5)
        assert kk._listeners._callbacks == {}


DESIGN = NewDesign(model_id=1, en_name="A", image_url="https://img.example/a.png")
ORDER = NewOrder(address=ADDRESS, items=[Item("A", 1)], custom_order_id="SHOP-1")
NOW = datetime(2024, 1, 7, tzinfo=UTC)
TIMED = {
    "orders.page": lambda kk, moment: kk.orders.page(created_from=moment),
    "orders.page to": lambda kk, moment: kk.orders.page(updated_to=moment),
    "orders.query": lambda kk, moment: kk.orders.query(created_from=moment),
    "orders.find": lambda kk, moment: kk.orders.find("A", moment),
    "orders.family": lambda kk, moment: kk.orders.family("A", created_from=moment),
    "products.page": lambda kk, moment: kk.products.page(updated_from=moment, updated_to=NOW),
    "products.updated": lambda kk, moment: kk.products.updated(moment, NOW),
    "products.updated to": lambda kk, moment: kk.products.updated(NOW, moment),
    "stocks.updated": lambda kk, moment: kk.stocks.updated(moment, NOW),
    "stocks.page": lambda kk, moment: kk.stocks.page(updated_from=moment, updated_to=NOW),
    "custom.designs": lambda kk, moment: kk.custom.designs(updated_from=moment),
}


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("moment", ["2026-01-01", date(2026, 1, 1), 5], ids=repr)
async def test_a_time_is_an_aware_datetime(kk, sandbox, name, moment):
    with pytest.raises(InvalidRequest, match=f"must be an aware datetime, not {type(moment).__name__}$"):
        found = TIMED[name](kk, moment)
        _ = [row async for row in found] if hasattr(found, "__aiter__") else await found
    assert sandbox.requests.total() == 0


@pytest.mark.parametrize("timeout", ["5", True, math.nan], ids=repr)
async def test_a_timeout_is_a_number_of_seconds_or_none(kk, sandbox, tmp_path, timeout):
    journal = Journal(f"sqlite:///{tmp_path}/orders.db")
    for call in (
        kk.refunds.wait("1", timeout),
        kk.orders.wait("1", timeout=timeout),
        kk.refunds.request("1", journal=journal, timeout=timeout),
        kk.orders.submit(ORDER, journal=journal, timeout=timeout),
        kk.custom.add_design(DESIGN, timeout=timeout),
    ):
        with pytest.raises(InvalidRequest, match="^timeout must be a number of seconds or None, not "):
            await call
    assert sandbox.requests.total() == 0
