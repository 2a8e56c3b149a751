"""Price rules: exact, never below cost and margin, and told step by step."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from kakaclo_async import InvalidRequest
from kakaclo_async.shop.outgoing.prices import Band, PriceRule

CENT = Decimal("0.01")
amounts = st.decimals(min_value=0, max_value=1000, places=2)
costs = st.decimals(min_value=Decimal("0.0001"), max_value=100_000, places=4).filter(bool)
endings = st.none() | st.integers(0, 99).map(lambda cents: Decimal(cents).scaleb(-2))
bands = st.builds(
    Band,
    factor=st.decimals(min_value=Decimal("0.001"), max_value=100, places=3).filter(bool),
    plus=amounts,
    min_margin=amounts,
    ending=endings,
)


@given(bands, costs)
def test_a_price_is_never_below_cost_and_margin_nor_below_what_the_rule_makes(band, cost):
    price = PriceRule((band,)).price(cost)

    assert price >= cost + band.min_margin
    assert price >= cost * band.factor + band.plus


@given(bands, costs)
def test_a_price_has_its_ending_and_is_the_lowest_that_has(band, cost):
    price = PriceRule((band,)).price(cost)

    assert price == price.quantize(CENT)
    due = max(cost * band.factor + band.plus, cost + band.min_margin)
    if band.ending is None:
        assert price - due < CENT
    else:
        assert price % 1 == band.ending
        assert price - 1 < due or price < 1


@given(bands, costs)
def test_an_explanation_starts_with_the_cost_and_ends_in_the_price_where_it_was_rounded(band, cost):
    made = PriceRule((band,)).made_of(cost)

    assert Decimal(made.how.split()[0].rstrip(",")) == cost
    _, arrow, rounded = made.how.partition(" -> ")
    due = max(cost * band.factor + band.plus, cost + band.min_margin)
    assert bool(arrow) == (due != made.price)
    assert not arrow or Decimal(rounded) == made.price


@pytest.mark.parametrize(
    ("rule", "cost", "price", "how"),
    [
        ("x2.5 +3 end .99", "5.98", "17.99", "5.98 x 2.5 + 3 = 17.95 -> 17.99"),
        ("x2.5 +3 end .99", "6.48", "19.99", "6.48 x 2.5 + 3 = 19.2 -> 19.99"),
        ("END 0.95 + 1 * 2", "2", "5.95", "2 x 2 + 1 = 5 -> 5.95"),
        ("x2", "6.1600", "12.32", "6.16 x 2 = 12.32"),
        ("x1.001", "5.98", "5.99", "5.98 x 1.001 = 5.98598 -> 5.99"),
        ("x0.5 min-margin 4", "10", "14.00", "10 x 0.5 = 5, raised to 14 (margin 4)"),
        ("end 99", "1", "1.99", "1 -> 1.99"),
        ("x2 end .99", "9", "18.99", "9 x 2 = 18 -> 18.99"),
        ("x2+3end.99", "1", "5.99", "1 x 2 + 3 = 5 -> 5.99"),
        (None, "5.98", "5.98", "5.98"),
    ],
)
def test_a_rule_is_read_as_people_write_it(rule, cost, price, how):
    made = PriceRule.of(rule).made_of(Decimal(cost))

    assert (str(made.price), made.how) == (price, how)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("", "it is empty"),
        ("x0", "the factor 0: it must be above 0"),
        ("x-2", "the factor -2: it must be above 0"),
        ("x2 + -3", "plus -3: it must not be below 0"),
        ("x2 min-margin -1", "min_margin -1: it must not be below 0"),
        ("x2 x3", "two parts 'x'"),
        ("x2 end 1.99", "the ending 1.99: it must be cents"),
        ("x2 end .999", "the ending 0.999: it must be cents"),
        ("x2 minus 3", "cannot be read from 'minus 3' on"),
        ("2.5", "cannot be read from '2.5' on"),
        ("x1e9", "cannot be read from 'e9' on"),
        ("xNaN", "cannot be read from 'xNaN' on"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_what_is_wrong_with_it(rule, problem):
    with pytest.raises(InvalidRequest, match="the price rule makes no sense") as refused:
        PriceRule.parse(rule)

    assert problem in str(refused.value)


@pytest.mark.parametrize("cost", ["0", "-1", "NaN", "Infinity"])
def test_what_costs_nothing_known_gets_no_price(cost):
    with pytest.raises(InvalidRequest, match="must be above 0"):
        PriceRule().price(Decimal(cost))


FILE = """\ufefffrom,to,factor,plus,min_margin,ending
10,,2,,5,.95

0,10,2.5,3,,.99
"""


def test_a_file_has_a_rule_for_each_range_of_costs_the_upper_end_apart(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text(FILE, encoding="utf-8")
    rule = PriceRule.of(str(path))

    assert [str(rule.price(Decimal(cost))) for cost in ("5.98", "9.99", "10", "1000")] == [
        "17.99",
        "27.99",
        "20.95",
        "2000.95",
    ]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["0,10,2", "9,,3"], "line 3 overlaps the range before it: costs from 9 to 10"),
        (["0,10,2", "11,,3"], "line 3 leaves a gap before it: no rule for costs from 10 to 11"),
        (["0,,2", "5,,3"], "line 3 overlaps the range before it, which has no end"),
        (["1,,2"], "line 2 leaves a gap before it: no rule for costs from 0 to 1"),
        (["0,10,2"], "line 2 must have no end: no rule for costs from 10 on"),
        (["0,0,2"], "line 2 ends at 0: it must end above 0"),
        (["0,,0"], "line 2 has the factor 0"),
        (["0,,two"], "line 2 has factor 'two', which is no amount"),
        (["0,,2,3"], "line 2 has more cells than the first line"),
        ([], "has no line"),
    ],
)
def test_ranges_that_overlap_or_leave_a_gap_are_refused_by_their_line(lines, problem, tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("\n".join(["from,to,factor", *lines]))

    with pytest.raises(InvalidRequest, match="the price rule makes no sense") as refused:
        PriceRule.read(path)

    assert problem in str(refused.value)


def test_a_file_that_is_none_or_has_other_columns_is_refused(tmp_path):
    path = tmp_path / "prices.csv"
    with pytest.raises(InvalidRequest, match="cannot be read"):
        PriceRule.of(path)
    path.write_text("cost,price\n1,2\n")
    with pytest.raises(InvalidRequest, match="needs the columns from, to, factor"):
        PriceRule.of(path)
