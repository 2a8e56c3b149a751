"""Price rules: from what a SKU costs at KakaClo to what it costs in a shop, exactly, and told step by step."""

from __future__ import annotations

import csv
import re
from decimal import ROUND_CEILING, Context, Decimal, localcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import attrs

from kakaclo_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_CENT: Final = Decimal("0.01")
_EXACT: Final = Context(prec=100, rounding=ROUND_CEILING)
_AMOUNT: Final = r"-?(?:\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})"
_TOKEN: Final = re.compile(
    rf"(?P<word>[x*]|\+|end(?:ing)?|min-margin)\s*(?P<amount>{_AMOUNT})(?![\d.])\s*", re.IGNORECASE
)
_NAMES: Final = {
    "x": "factor",
    "*": "factor",
    "+": "plus",
    "end": "ending",
    "ending": "ending",
}

COLUMNS: Final = ("from", "to", "factor", "plus", "min_margin", "ending")
"""The columns of a file of price rules."""

EXAMPLE: Final = "x2.5 +3 end .99 min-margin 4"


@attrs.frozen(kw_only=True)
class Band:
    """How prices are made for a range of costs; amounts are US dollars.

    Attributes:
        low: the lowest cost.
        high: the cost at which the next band begins; None: without an end.
        factor: above 0.
        plus: added to cost times factor.
        min_margin: what the price is above the cost at least; a price below that is raised to it.
        ending: the cents that a price ends in, such as 0.99: it is rounded up to the next such price; None: to cents.
    """

    low: Decimal = Decimal(0)
    high: Decimal | None = None
    factor: Decimal = Decimal(1)
    plus: Decimal = Decimal(0)
    min_margin: Decimal = Decimal(0)
    ending: Decimal | None = None


@attrs.frozen(kw_only=True)
class Priced:
    """A price, and how it was made.

    Attributes:
        price: US dollars, in cents.
        how: such as "5.98 x 2.5 + 3 = 17.95 -> 17.99".
    """

    price: Decimal
    how: str


@attrs.frozen
class PriceRule:
    """A rule that makes prices of costs; without bands a price is the cost.

    Attributes:
        bands: ranges of costs in order, from 0 on, without a gap.

    Raises:
        InvalidRequest: a band that makes no sense, a gap between two, or an overlap.
    """

    bands: tuple[Band, ...] = (Band(),)

    def __attrs_post_init__(self) -> None:
        alone = len(self.bands) == 1
        _check(self.bands, ["it" if alone else f"the range from {band.low}" for band in self.bands])

    @classmethod
    def of(cls, rule: PriceRule | str | Path | None) -> PriceRule:
        """Return a rule as it is, of a text, of a file (a path, or a text that ends in `.csv`), or of nothing.

        Raises:
            InvalidRequest: it cannot be understood.
        """
        if rule is None:
            return cls()
        if isinstance(rule, PriceRule):
            return rule
        if isinstance(rule, Path) or rule.strip().lower().endswith(".csv"):
            return cls.read(rule)
        return cls.parse(rule)

    @classmethod
    def parse(cls, text: str) -> PriceRule:
        """Read a rule as people write it: `x2.5 +3 end .99 min-margin 4`, in any order, each part once or not at all.

        Raises:
            InvalidRequest: what cannot be understood, by name.
        """
        found: dict[str, Decimal] = {}
        rest = text.strip()
        if not rest:
            _refuse("is empty")
        while rest:
            token = _TOKEN.match(rest)
            if token is None:
                _refuse(f"cannot be read from {rest!r} on")
            word = token["word"].lower()
            name = _NAMES.get(word, "min_margin")
            if name in found:
                _refuse(f"has two parts {word!r}")
            found[name] = Decimal(token["amount"])
            rest = rest[token.end() :]
        return cls((_band(found),))

    @classmethod
    def read(cls, path: str | Path) -> PriceRule:
        """Read a file of rules, one for each range of costs: `from,to,factor,plus,min_margin,ending`.

        `from` is part of its range, `to` is not; the first range starts at 0 and the last has no `to`. Empty cells are
        a factor of 1, and nothing.

        Raises:
            InvalidRequest: the file cannot be read, or a line makes no sense.
        """
        try:
            with Path(path).open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file, skipinitialspace=True, restval="")
                names = [name.strip().lower() for name in reader.fieldnames or ()]
                if len(set(names)) < len(names) or not {"from", "factor"} <= set(names) <= set(COLUMNS):
                    _refuse(f"needs the columns {', '.join(COLUMNS)}", f"{path}: the first line")
                reader.fieldnames = names
                lines = [(reader.line_num, row) for row in reader if any(map(_filled, row.values()))]
        except (OSError, UnicodeError, csv.Error) as error:
            raise InvalidRequest(f"the price rules {path} cannot be read: {error}") from None
        if not lines:
            _refuse("has no line", str(path))
        wheres = [f"{path} line {number}" for number, _ in lines]
        bands = [_line(row, where) for (_, row), where in zip(lines, wheres, strict=True)]
        ordered = sorted(zip(bands, wheres, strict=True), key=lambda pair: pair[0].low)
        _check([band for band, _ in ordered], [where for _, where in ordered])
        return cls(tuple(band for band, _ in ordered))

    def price(self, cost: Decimal) -> Decimal:
        """Return the price of what costs so much; never below the cost and the margin.

        Raises:
            InvalidRequest: the cost is no amount above 0.
        """
        return self.made_of(cost).price

    def explain(self, cost: Decimal) -> str:
        """Return how the price is made: `5.98 x 2.5 + 3 = 17.95 -> 17.99`."""
        return self.made_of(cost).how

    def made_of(self, cost: Decimal) -> Priced:
        """Return the price with its explanation.

        Raises:
            InvalidRequest: the cost is no amount above 0.
        """
        if not cost.is_finite() or cost <= 0:
            raise InvalidRequest(f"no price can be made of a cost of {cost}: it must be above 0")
        band = next(band for band in self.bands if band.high is None or cost < band.high)
        with localcontext(_EXACT):
            made = cost * band.factor + band.plus
            least = cost + band.min_margin
            price = _rounded_up(max(made, least), band.ending)
            how = plain(cost)
            if band.factor != 1:
                how += f" x {plain(band.factor)}"
            if band.plus:
                how += f" + {plain(band.plus)}"
            if how != plain(cost):
                how += f" = {plain(made)}"
            if made < least:
                how += f", raised to {plain(least)} (margin {plain(band.min_margin)})"
        return Priced(
            price=price, how=how if price == max(made, least) else f"{how} -> {plain(price, cents=True)}"
        )


def plain(amount: Decimal, *, cents: bool = False) -> str:
    """Return an amount without an exponent: the digits it has, or at least cents."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if not cents:
        return text
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction:0<2}"


def _rounded_up(amount: Decimal, ending: Decimal | None) -> Decimal:
    if ending is None:
        return amount.quantize(_CENT)
    return ((amount - ending).to_integral_value() + ending).quantize(_CENT)


def _line(row: Mapping[str, object], where: str) -> Band:
    found: dict[str, Decimal] = {}
    if None in row:
        _refuse("has more cells than the first line", where)
    for name, cell in row.items():
        text = str(cell or "").strip()
        if not text:
            continue
        if not re.fullmatch(_AMOUNT, text):
            _refuse(f"has {name} {text!r}, which is no amount", where)
        found[{"from": "low", "to": "high"}.get(name, name)] = Decimal(text)
    band = _band(found)
    _check_band(band, where)
    return band


def _band(found: Mapping[str, Decimal]) -> Band:
    ending = found.get("ending")
    # "99" is what many write for ".99".
    if ending is not None and 1 <= ending < 100 and ending == int(ending):
        found = {**found, "ending": ending / 100}
    return Band(**found)


def _check(bands: Sequence[Band], wheres: Sequence[str]) -> None:
    """Refuse bands that make no sense, alone or together."""
    if not bands:
        _refuse("has no range of costs")
    before: Decimal | None = Decimal(0)
    for band, where in zip(bands, wheres, strict=True):
        _check_band(band, where)
        if before is None:
            _refuse("overlaps the range before it, which has no end", where)
        if band.low < before:
            _refuse(f"overlaps the range before it: costs from {plain(band.low)} to {plain(before)}", where)
        if band.low > before:
            _refuse(
                f"leaves a gap before it: no rule for costs from {plain(before)} to {plain(band.low)}", where
            )
        before = band.high
    if before is not None:
        _refuse(f"must have no end: no rule for costs from {plain(before)} on", wheres[-1])


def _check_band(band: Band, where: str) -> None:
    if not (band.factor.is_finite() and band.factor > 0):
        _refuse(f"has the factor {band.factor}: it must be above 0", where)
    for name in ("low", "plus", "min_margin"):
        amount: Decimal = getattr(band, name)
        if not (amount.is_finite() and amount >= 0):
            _refuse(f"has {'from' if name == 'low' else name} {amount}: it must not be below 0", where)
    if band.high is not None and not (band.high.is_finite() and band.high > band.low):
        _refuse(f"ends at {band.high}: it must end above {plain(band.low)}, where it starts", where)
    ending = band.ending
    if ending is not None and not (
        ending.is_finite() and 0 <= ending < 1 and ending == ending.quantize(_CENT)
    ):
        _refuse(f"has the ending {ending}: it must be cents, .00 to .99", where)


def _filled(cell: object) -> bool:
    return bool(str(cell or "").strip())


def _refuse(problem: str, where: str = "it") -> NoReturn:
    raise InvalidRequest(f"the price rule makes no sense: {where} {problem}; write it like {EXAMPLE!r}")
