from __future__ import annotations

import pytest

from kakaclo_async.sandbox.trade.delivery import LEVELS, price

SPLIT = "/v2/order/orders/channel/automationSplit"
CHANNEL = "/v2/order/orders/channel"


@pytest.fixture
def sku(http):
    return next(http.sandbox.catalog.skus())


def trial(*lines, country="US", **more):
    return {
        "products": [{"sku": sku, "quantity": quantity} for sku, quantity in lines],
        "shipToCountry": country,
        **more,
    }


async def test_a_trial_has_the_shape_of_the_published_sample(http, sku, sample):
    options = await http.post(SPLIT, trial((sku, 1)))
    published = sample("v2_order_channel_automationSplit")["data"]
    assert [set(option) for option in options] == [set(option) for option in published]
    assert {option["channelType"] for option in options} == {"Standard", "Express", "Expedited"}
    assert all(option["estimatedFreight"].as_tuple().exponent == -4 for option in options)


async def test_freight_grows_with_weight_and_differs_by_country_and_channel(http, sku):
    async def freight(quantity, country):
        options = await http.post(SPLIT, trial((sku, quantity), country=country))
        return {option["channelType"]: option["estimatedFreight"] for option in options}

    one, many, far = await freight(1, "US"), await freight(9, "US"), await freight(1, "BR")
    assert one["Standard"] < one["Express"] < one["Expedited"]
    assert all(one[name] < many[name] and one[name] < far[name] for name in LEVELS)


async def test_faster_channels_deliver_sooner(http, sku):
    options = await http.post(SPLIT, trial((sku, 1), country="DE"))
    days = {option["channelType"]: int(option["deliveryTime"].split("~")[0]) for option in options}
    assert days["Expedited"] < days["Express"] < days["Standard"]


async def test_the_older_shape_has_codes_and_no_channel_type(opened, sample):
    http = await opened(old_freight_shape=True)
    options = await http.post(SPLIT, trial((next(http.sandbox.catalog.skus()), 1)))
    assert set(options[0]) == set(sample("v2_order_channel_automationSplit_old_shape")["data"][0])


async def test_nothing_is_offered_to_a_country_that_is_left_out(opened):
    http = await opened(no_freight_to=("FR",))
    sku = next(http.sandbox.catalog.skus())
    for path in (SPLIT, CHANNEL):
        assert await http.post(path, trial((sku, 1), country="FR")) == []
        assert len(await http.post(path, trial((sku, 1), country="US"))) == 3


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_channels_of_a_warehouse_come_fastest_first(http, sku, sample, version):
    channels = await http.post(f"/{version}/order/orders/channel", trial((sku, 2)))
    assert set(channels[0]) == set(sample(f"{version}_order_channel")["data"][0])
    assert [row["channelType"] for row in channels] == ["Expedited", "Express", "Standard"]


async def test_a_warehouse_in_the_customers_country_is_cheaper_and_an_unknown_one_is_the_default(http, sku):
    far = await http.post(CHANNEL, trial((sku, 1), warehouseCode="G007"))
    near = await http.post(CHANNEL, trial((sku, 1), warehouseCode="W001"))
    unknown = await http.post(CHANNEL, trial((sku, 1), warehouseCode="H008"))
    assert all(n["estimatedFreight"] < f["estimatedFreight"] for n, f in zip(near, far, strict=True))
    assert near[-1]["deliveryTime"] != far[-1]["deliveryTime"]
    assert unknown == far


def test_several_lines_weigh_what_they_weigh_together():
    assert price(700, "US", "Standard") > price(300, "US", "Standard")


@pytest.mark.parametrize("path", [SPLIT, CHANNEL, "/v1/order/orders/channel"])
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"products": [{"sku": "NOPE1_B", "quantity": 1}]}, "NOPE1_B"),
        ({"shipToCountry": "XX"}, "XX"),
        ({"shipToCountry": None}, "shipToCountry"),
        ({"products": []}, "products"),
        ({"products": [{"sku": "A", "quantity": 0}]}, "quantity"),
        ({"products": [{"sku": "A", "quantity": "two"}]}, "quantity"),
        ({"products": [{"quantity": 1}]}, "sku"),
    ],
)
async def test_a_trial_that_makes_no_sense_is_refused_by_name(http, sku, path, wrong, says):
    assert says in await http.refusal("POST", path, body={**trial((sku, 1)), **wrong})
