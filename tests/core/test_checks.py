from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models import _checks as checks
from kakaclo_async.resources.orders.requests import new_custom_order_id, orders_query
from kakaclo_async.resources.products import products_request
from kakaclo_async.resources.stocks import stocks_request

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("code", ["", " A", "A ", "A,B", "A\nB", "A" * 65, None, 7])
def test_a_code_that_would_break_a_list_is_refused(code):
    with pytest.raises(InvalidRequest) as alone:
        checks.check_code(code, "SKU")
    for codes in ([code], ["B", code], [code, "B"]):
        with pytest.raises(InvalidRequest) as among_others:
            checks.check_codes(codes, "SKU")
        assert str(among_others.value) == str(alone.value)


def test_equal_codes_are_asked_for_once_and_keep_their_order():
    assert checks.check_codes(["B", "A", "B"], "SKU") == ("B", "A")
    assert checks.check_codes(["B", "A 1", "裙", "B"], "SKU") == ("B", "A 1", "裙")


def test_one_str_is_not_a_list_of_codes():
    with pytest.raises(InvalidRequest, match="not one str"):
        checks.check_codes("AMN00432", "SPU")


@pytest.mark.parametrize("build", [products_request, stocks_request])
def test_31_codes_in_one_request_are_refused(build):
    build(skus=[f"S{i}" for i in range(30)])
    with pytest.raises(InvalidRequest, match="1 to 30 SKU codes, not 31"):
        build(skus=[f"S{i}" for i in range(31)])
    with pytest.raises(InvalidRequest, match="not 0"):
        build(skus=[])


@pytest.mark.parametrize("build", [products_request, stocks_request])
def test_a_naive_time_is_refused_in_a_sentence(build):
    with pytest.raises(InvalidRequest, match="time zone|naive|aware"):
        build(updated_from=datetime(2024, 5, 1), updated_to=NOON)  # noqa: DTZ001


@pytest.mark.parametrize("build", [products_request, stocks_request])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"updated_from": NOON},
        {"updated_to": NOON},
        {"updated_from": NOON, "updated_to": NOON - timedelta(seconds=1)},
        {"skus": ["A"], "page_number": 0},
        {"skus": ["A"], "page_number": True},
        {"skus": ["A"], "page_number": 1.0},
    ],
)
def test_a_request_without_a_good_selector_is_refused(build, arguments):
    with pytest.raises(InvalidRequest):
        build(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"sort_type": "salesVolume"},
        {"sort_by": "up"},
        {"spus": ["A"]},
        {"category_id": 3},
        {"updated_from": NOON, "updated_to": NOON},
    ],
)
def test_an_unknown_order_or_a_second_selector_of_products_is_refused(arguments):
    with pytest.raises(InvalidRequest):
        products_request(skus=["A"], **arguments)


def test_a_window_is_written_in_utc_to_the_second():
    paris = timezone(timedelta(hours=2))
    request = products_request(
        updated_from=datetime(2024, 5, 1, 12, 30, tzinfo=paris),
        updated_to=NOON,
        sort_type="salasVolume",
        sort_by="asc",
        page_number=7,
    )
    assert request.query == (
        ("dateStartTime", "2024-05-01T10:30:00Z"),
        ("dateEndTime", "2024-05-01T12:00:00Z"),
        ("sortType", "salasVolume"),
        ("sortBy", "asc"),
        ("pageNumber", "7"),
    )


def test_a_warehouse_narrows_a_stock_request():
    assert ("warehouseCode", "G004") in stocks_request(skus=["A"], warehouse_code="G004").query


def test_a_range_of_times_may_stand_beside_the_skus_of_a_stock_request():
    query = dict(stocks_request(skus=["A"], updated_from=NOON, updated_to=NOON).query)
    assert query["skus"] == "A"
    assert query["dateStartTime"] == query["dateEndTime"] == "2024-05-01T12:00:00Z"


def test_a_warehouse_code_has_its_documented_length():
    assert stocks_request(skus=["A"], warehouse_code="G" * 32)
    with pytest.raises(InvalidRequest, match=r"warehouse_code .* longer than 32 characters"):
        stocks_request(skus=["A"], warehouse_code="G" * 33)


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("created_from", "createStartTime"),
        ("created_to", "createEndTime"),
        ("updated_from", "updateStartTime"),
        ("updated_to", "updateEndTime"),
    ],
)
def test_a_range_of_orders_may_be_open_at_either_end(argument, name):
    query = dict(orders_query(**{argument: NOON}))
    assert {key: value for key, value in query.items() if key.endswith("Time")} == {
        name: "2024-05-01T12:00:00Z"
    }


@pytest.mark.parametrize(
    "arguments",
    [
        {"page_size": 251},
        {"page_size": 0},
        {"ids": []},
        {"created_from": NOON, "created_to": NOON - timedelta(seconds=1)},
        {"updated_from": NOON, "updated_to": NOON - timedelta(seconds=1)},
        {"updated_to": datetime(2024, 5, 1)},  # noqa: DTZ001
    ],
)
def test_an_order_query_beyond_its_limits_is_refused(arguments):
    with pytest.raises(InvalidRequest):
        orders_query(**arguments)


def test_custom_order_ids_are_unique_short_and_sort_by_time():
    early, late = new_custom_order_id(1_700_000_000_000, 2**80 - 1), new_custom_order_id(1_700_000_000_001, 0)
    assert early < late
    assert len(early) == 28
    assert len({new_custom_order_id() for _ in range(1000)}) == 1000
    assert new_custom_order_id(0, 0) == "KK" + "0" * 26
