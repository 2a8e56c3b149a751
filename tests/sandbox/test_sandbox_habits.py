"""Pages, totals, look-ups and their order, as odd servers answer them."""

from __future__ import annotations

from collections import Counter
from email.utils import format_datetime

import pytest

PRODUCTS = "/v1/product/products"
STOCKS = "/v1/product/stocks"
BALANCE = "/v1/payment/balance"
AREAS = {PRODUCTS: "spu", STOCKS: "sku"}

area = pytest.mark.parametrize("path", AREAS)


def codes(path, page):
    return [row[AREAS[path]] for row in page["list"]]


async def pages(http, path, ever, last=5):
    """Read the pages 1 to `last`, whatever they hold."""
    return [await http.get(path, pageNumber=number, **ever) for number in range(1, last + 1)]


@pytest.fixture
def spoilt(opened):
    """Open a sandbox with a habit, and one without; yields the pages of both."""

    async def open_both(path, ever, **habits):
        odd, plain = await opened(page_size=9, **habits), await opened(page_size=9)
        return await pages(odd, path, ever), await pages(plain, path, ever)

    return open_both


@area
async def test_page_sizes_take_turns_every_so_many_pages(opened, ever, path):
    http = await opened(page_sizes=(10, 4, 7), page_size_every=2)
    seen = await pages(http, path, ever, last=1) + [await http.get(path, **ever) for _ in range(7)]
    assert [page["pageSize"] for page in seen] == [10, 10, 4, 4, 7, 7, 10, 10]
    assert [len(page["list"]) for page in seen] == [10, 10, 4, 4, 7, 7, 10, 10]
    http.sandbox.page_sizes = ()
    assert (await http.get(path, **ever))["pageSize"] == 30


async def test_the_size_of_the_moment_counts_the_rows_of_the_pages_before(opened, ever):
    http, plain = await opened(page_sizes=(10, 4)), await opened(page_size=4)
    await http.get(PRODUCTS, **ever)
    second, expected = [await one.get(PRODUCTS, pageNumber=2, **ever) for one in (http, plain)]
    assert codes(PRODUCTS, second) == codes(PRODUCTS, expected)


async def test_look_ups_leave_the_turns_of_page_sizes_alone(opened, ever):
    http = await opened(page_sizes=(10, 4))
    spu = next(http.sandbox.catalog.spus())
    sizes = [
        (await http.get(PRODUCTS, **query))["pageSize"] for query in ({"spus": spu}, ever, {"spus": spu})
    ]
    assert sizes == [10, 10, 4]


async def test_changing_page_sizes_can_be_told_by_the_number_of_rows_only(opened, ever):
    http = await opened(page_sizes=(10, 4), row_count_as_page_size=True)
    assert [page["pageSize"] for page in await pages(http, PRODUCTS, ever)] == [10, 4, 10, 4, 0]


@area
async def test_pages_go_on_beyond_a_capped_total(opened, ever, path):
    http = await opened(total_cap=17, page_limit=None, page_size=9)
    seen = await pages(http, path, ever)
    assert {page["total"] for page in seen} == {17}
    assert [len(page["list"]) for page in seen[:4]] == [9] * 4


@area
async def test_a_deep_page_can_be_empty_or_the_last_one_once_more(opened, ever, path):
    http = await opened(total_cap=17, page_limit=20, page_size=9, deep_pages="empty")
    seen = await pages(http, path, ever)
    assert [len(page["list"]) for page in seen] == [9, 9, 0, 0, 0]
    assert {page["total"] for page in seen} == {17}
    http.sandbox.deep_pages = "last"
    seen = await pages(http, path, ever)
    assert codes(path, seen[1]) == codes(path, seen[2]) == codes(path, seen[4])
    assert [page["pageNumber"] for page in seen] == [1, 2, 3, 4, 5]
    http.sandbox.deep_pages = "refused"
    assert "first 20 rows" in await http.refusal("GET", path, pageNumber=3, **ever)


@area
async def test_a_page_can_lack_one_row_that_the_total_counts(spoilt, ever, path):
    odd, plain = await spoilt(path, ever, drop_row_rate=1)
    for one, other in zip(odd, plain, strict=True):
        assert one["total"] == other["total"]
        assert len(one["list"]) == max(0, len(other["list"]) - 1)
        assert set(codes(path, one)) <= set(codes(path, other))


@area
async def test_a_page_can_show_a_row_twice_in_place_of_another(spoilt, ever, path):
    odd, plain = await spoilt(path, ever, repeat_row_rate=1)
    for one, other in zip(odd, plain, strict=True):
        assert len(one["list"]) == len(other["list"])
        assert len(set(codes(path, one))) == max(len(set(codes(path, other))) - 1, min(1, len(one["list"])))


@area
async def test_a_page_can_show_a_row_twice_in_addition(spoilt, ever, path):
    odd, plain = await spoilt(path, ever, repeat_row_rate=1, repeat_row_mode="extra")
    for one, other in zip(odd, plain, strict=True):
        assert len(one["list"]) == len(other["list"]) + bool(other["list"])
        assert list(dict.fromkeys(codes(path, one))) == codes(path, other)
        assert one["pageSize"] == 9


@area
async def test_pages_before_the_last_can_be_short_or_empty_with_the_right_total(spoilt, ever, path):
    odd, plain = await spoilt(path, ever, short_page_rate=1)
    for one, other in zip(odd, plain, strict=True):
        followed = other["pageNumber"] * 9 < other["total"]
        assert one["total"] == other["total"]
        assert codes(path, one) == codes(path, other)[: len(one["list"])]
        assert (0 < len(one["list"]) < 9) if followed else (one == other)
    odd, plain = await spoilt(path, ever, empty_page_rate=1)
    for one, other in zip(odd, plain, strict=True):
        followed = other["pageNumber"] * 9 < other["total"]
        assert one == ({**other, "list": []} if followed else other)


async def test_a_rate_is_a_share_of_the_pages_and_equal_seeds_choose_equal_ones(opened, ever):
    rates = {"drop_row_rate": 0.3, "repeat_row_rate": 0.2, "short_page_rate": 0.1, "empty_page_rate": 0.1}
    one, same, other = [await opened(page_size=9, seed=seed, **rates) for seed in (3, 3, 4)]
    seen = [[codes(PRODUCTS, page) for _ in range(20) for page in await pages(http, PRODUCTS, ever)]
            for http in (one, same, other)]  # fmt: skip
    assert seen[0] == seen[1]
    assert [list(map(len, rows)) for rows in seen[:1]] != [list(map(len, rows)) for rows in seen[2:]]
    whole = sum(len(set(rows)) in (9, 4) for rows in seen[0]) / len([rows for rows in seen[0] if rows])
    assert 0.3 < whole < 0.75


async def test_days_and_shuffled_ties_go_together(opened):
    http = await opened(day_granular=True, tie_shuffle=True, index_lag=0, page_limit=None)
    http.sandbox.skip(60)
    catalog = http.sandbox.catalog
    for sku in catalog.skus():
        catalog.set_stock(sku, "G007", 3)
    for spu in catalog.spus():
        catalog.touch(spu)
    now = {
        "dateStartTime": http.at(),
        "dateEndTime": http.at(seconds=1),
    }  # the touched ones are later on that day
    for path, present in ((PRODUCTS, set(catalog.spus())), (STOCKS, set(catalog.skus()))):
        http.sandbox.page_size = 1000
        one, other = [codes(path, await http.get(path, **now)) for _ in range(2)]
        assert set(one) == set(other) == present
        assert one != other
        http.sandbox.page_size = 10
        rows = Counter(code for page in await pages(http, path, now, 4) for code in codes(path, page))
        assert len(rows) < rows.total()


@area
@pytest.mark.parametrize("by", ["page", "replica"])
async def test_ties_can_change_their_order_with_the_page_or_the_replica_only(opened, ever, path, by):
    http = await opened(tie_shuffle=True, tie_shuffle_by=by, page_size=1000, page_limit=None, years=0.01,
                        bulk_product_share=1, bulk_stock_share=1)  # fmt: skip
    if by == "replica":
        http.sandbox.replica_lag = 1
    answers = [codes(path, await http.get(path, **ever)) for _ in range(4)]
    assert answers[0] == answers[2]
    assert (answers[0] == answers[1]) is (by == "page")
    if by == "page":
        http.sandbox.page_size = 10
        first, second = [codes(path, page) for page in await pages(http, path, ever, 2)]
        assert first == answers[0][:10]
        assert second != answers[0][10:20]


@area
async def test_look_ups_can_answer_the_first_few_rows_only(opened, path):
    http = await opened(lookup_limit=2)
    names = {PRODUCTS: "spus", STOCKS: "skus"}
    truth = http.sandbox.catalog.spus() if path == PRODUCTS else http.sandbox.catalog.skus()
    asked = [next(truth) for _ in range(5)]
    page = await http.get(path, **{names[path]: ",".join([*asked, "NOPE1"])})
    assert codes(path, page) == asked[:2]
    assert page["total"] == 5


@area
async def test_an_empty_index_finds_nothing_with_success(opened, ever, path):
    http = await opened(index_empty=True)
    for query in (ever, {"skus": next(http.sandbox.catalog.skus())}):
        page = await http.get(path, **query)
        assert (page["list"], page["total"]) == ([], 0)
    http.sandbox.index_empty = False
    assert (await http.get(path, **ever))["total"] > 0


@area
async def test_a_code_can_spoil_the_whole_look_up(opened, path):
    http = await opened()
    good, bad = list(http.sandbox.catalog.skus())[:2]
    http.sandbox.refuses_codes = (bad, "NOPE1")
    assert codes(path, await http.get(path, skus=good))
    for named in (f"{good},{bad}", "NOPE1"):
        status, text, _ = await http.call("GET", path, skus=named)
        assert (status, '"code":40001' in text) == (400, True)
        assert bad not in text
    http.sandbox.refuses_codes_status = 200
    assert await http.refusal("GET", path, skus=bad) == "one of the codes is not valid"


async def test_a_url_that_is_too_long_is_refused_by_a_page_of_html_and_costs_nothing(http):
    async def answers(length):
        status, text, headers = await http.call(
            "GET", BALANCE, n="9" * (length - len(f"/openapi{BALANCE}?n="))
        )
        assert headers["Date"] == format_datetime(http.sandbox.now(), usegmt=True)
        return status, text[0]

    assert await answers(8190) == (200, "{")
    assert await answers(8191) == (400, "<")
    assert await answers(70_000) == (400, "<")
    assert [served.status for served in http.sandbox.log] == [200, 400, 400]
    assert http.sandbox.level == 1
    http.sandbox.url_limit = 2000
    assert await answers(2000) == (200, "{")
    assert await answers(2001) == (400, "<")


HABITS = {
    "page_sizes": (7, 9),
    "deep_pages": "last",
    "drop_row_rate": 1,
    "repeat_row_rate": 1,
    "short_page_rate": 1,
    "empty_page_rate": 1,
    "odd_time_rate": 0.5,
    "newer_time_rate": 0.5,
    "missing_time_rate": 0.5,
    "lookup_limit": 1,
    "index_empty": True,
    "refuses_codes": "the first",
    "damaged_rows": "the first",
    "date_header": False,
    "tie_shuffle": True,
}


@pytest.mark.parametrize("name", HABITS)
async def test_a_habit_shows_at_once_when_it_is_switched_on_and_leaves_no_trace_when_it_is_off_again(
    opened, ever, name
):
    http = await opened(page_limit=60, bulk_product_share=0.5)
    first, second, *_ = http.sandbox.catalog.spus()
    on = {"refuses_codes": (first,), "damaged_rows": {first: "raw_tab"}}.get(name, HABITS[name])
    queries = [{"spus": f"{second},{first}"}, *({**ever, "pageNumber": number} for number in range(1, 5))]

    async def answers():
        found = [await http.call("GET", path, **query) for query in queries for path in (PRODUCTS, STOCKS)
                 if path == PRODUCTS or "spus" not in query]  # fmt: skip
        return [(status, text, headers.get("Date")) for status, text, headers in found]

    off = getattr(http.sandbox, name)
    before = await answers()
    setattr(http.sandbox, name, on)
    during = await answers()
    setattr(http.sandbox, name, off)
    assert during != before == await answers()
