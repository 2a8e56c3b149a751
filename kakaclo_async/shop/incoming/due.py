"""Which orders and rows of a file are due, by the rules of its dialect."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from kakaclo_async.models.address_checks import is_blank
from kakaclo_async.shop.incoming.skus import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kakaclo_async.shop.incoming.cells import Cells
    from kakaclo_async.shop.incoming.dialect import Rule
    from kakaclo_async.shop.incoming.drafts import Draft

_NOTHING: Final = re.compile(r"[^\d-]*0*[.,]?0*[^\d]*")
_FORMATS: Final = (
    "%m/%d/%Y",
    "%m/%d/%y",
    "%d/%m/%Y",
    "%d/%m/%y",
    "%d.%m.%Y",
    "%d.%m.%y",
    "%Y/%m/%d",
    "%b-%d-%y",
    "%b-%d-%Y",
    "%d-%b-%y",
    "%d-%b-%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d %b %Y",
    "%d %B %Y",
)
_TIMES: Final = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_ZONE: Final = re.compile(r"(?<=:\d\d|.[AP]M)\s*([+-]\d\d:?\d\d)$|\s*(UTC|GMT|Z|P[SD]T)$")
_PACIFIC: Final = {"PST": timedelta(hours=8), "PDT": timedelta(hours=7)}
"""How far Amazon's and eBay's time is behind UTC."""


def not_due(draft: Draft, cells: Cells) -> None:
    """Say in each item of an order why it is not due, where it is not."""
    rows = [row for row in draft.rows if len(row.cells) == len(cells.header)]
    returned = any(item.returned.strip("-0.,") for item in draft.items)
    rules = [rule for rule in cells.rules if not (rule.unless_returned and returned)]
    items = {item.line for item in draft.items}
    whole: list[str] = [item.reason for item in draft.items if item.reason]
    for rule in rules:
        if not rule.row:
            whole += _broken(rule, (cells.column(row, rule.column) for row in rows))
        else:  # a row without an item speaks for the whole order
            values = (cells.column(row, rule.column) for row in rows if row.line not in items)
            whole += _broken(rule, filter(None, values), blank=False)
    for item in draft.items:
        own = [
            reason
            for rule in rules
            if rule.row and item.row is not None
            for reason in _broken(rule, [cells.column(item.row, rule.column)])
        ]
        item.reason = "; ".join(dict.fromkeys(whole + own))
    if whole and not draft.items:
        draft.facts["not due"] = "; ".join(dict.fromkeys(whole))


def _broken(rule: Rule, values: Iterable[str], *, blank: bool = True) -> Iterator[str]:
    """Yield why the values of a column are not due."""
    filled = [value for value in values if value]
    if rule.filled:
        if blank and all(map(is_blank, filled)):
            yield rule.why
        return
    if rule.zero:
        if not all(_NOTHING.fullmatch(value) for value in filled):
            yield rule.why
        return
    if not filled and blank and "" not in rule.due and not rule.blocks:
        yield rule.reasons.get("", f"its {rule.column} is blank")
    for value in filled:
        status = " ".join(re.split(r"[\s_-]+", value.casefold())).strip()
        if rule.blocks:
            words = f" {in_words(value.replace('&', ' and '))} "
            found = next((each for each in sorted(rule.blocks) if f" {each} " in words), None)
            if found is not None:
                yield rule.reasons.get(found) or rule.why
            continue
        if status not in rule.due:
            yield rule.reasons.get(status) or rule.why or f"its {rule.column} {_shown(value)} is not known"


def _shown(value: str) -> str:
    """Return a status in quotes, or less, where it may be something else."""
    return repr(value) if len(value) <= 24 and not re.search(r"\d", value) else "(not shown)"


def too_new(date: str, older_than: timedelta, now: Callable[[], datetime]) -> bool | None:
    """Whether an order is younger than that, or None where its date cannot be read.

    A day without its time is counted from its end, and a date that can be read in two ways the younger way.
    """
    times = list(_times(date))
    latest = now()
    past = [time for time in times if time <= latest + timedelta(days=1)]
    if not past:
        return None if not times else True
    return max(past) > latest - older_than


def _times(text: str) -> Iterator[datetime]:
    text = " ".join(text.split())
    try:
        found = datetime.fromisoformat(re.sub(r" ([+-]\d\d:?\d\d)$| UTC$", r"\1", text))
    except ValueError:
        pass
    else:
        day = timedelta(days=1) if len(text) <= 10 else timedelta(0)
        yield (found if found.tzinfo else found.replace(tzinfo=UTC)) + day
        return
    zone = _ZONE.search(text)
    plain = text[: zone.start()] if zone else text
    behind = _behind_utc(zone[1] or zone[2]) if zone else timedelta(0)
    for form in _FORMATS:
        for time in _TIMES:
            try:
                found = datetime.strptime(plain, form + time).replace(tzinfo=UTC)
            except ValueError:
                continue
            yield found + behind + (timedelta(0) if time else timedelta(days=1))


def _behind_utc(zone: str) -> timedelta:
    if zone[0] not in "+-":
        return _PACIFIC.get(zone, timedelta(0))
    ahead = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return ahead if zone[0] == "-" else -ahead
