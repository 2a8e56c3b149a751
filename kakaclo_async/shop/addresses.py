"""Addresses of shops made ready for KakaClo: what can be mended is mended and told, the rest is a problem."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.models.address_checks import CITIES, EU, WITH_PROVINCE, is_blank, narrow, value_problem
from kakaclo_async.shop.countries import country_code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STREET: Final = 64
_US: Final = {"US", "PR", "VI"}
_ONE_ZERO: Final = {
    *("ct", "ma", "me", "nh", "nj", "ri", "vt", "pr", "vi", "ae"),
    *("connecticut", "massachusetts", "maine", "new hampshire", "new jersey", "rhode island", "vermont"),
    *("puerto rico", "virgin islands", "armed forces europe", "armed forces europe, middle east, & canada"),
    *("armed forces africa", "armed forces canada", "armed forces middle east"),
}
"""States whose zips begin with a zero, by code and name."""
_TWO_ZEROS: Final = frozenset({"pr", "vi", "puerto rico", "virgin islands"})
_SHORT_ZIP: Final = re.compile(r"(\d{3,4})-?(\d{4})?", re.ASCII)
_ZIP_AS_NUMBER: Final = re.compile(r"(\d{3,10})\.0", re.ASCII)
_WRAPPED: Final = re.compile(r"=\"([^\"]*)\"")
_ENTITY: Final = re.compile(r"&(?:#\d{2,6}|#x[0-9a-f]{2,5}|amp|quot|apos|lt|gt|nbsp);", re.IGNORECASE)
_FORMULA: Final = re.compile(r"'+(?=[=+\-@\d(])")
_INVISIBLE: Final = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]|(?<![^\x00-\x7f])\u00ad")
"""After another sign a soft hyphen may be a part of a letter that was encoded twice."""

Told = tuple[str, str]
"""A field, and what is said of it; never a part of an address."""


@attrs.frozen
class Ready:
    """An address by the names of `Address`, what was changed, and what cannot be mended."""

    fields: dict[str, str]
    notes: list[Told] = attrs.field(factory=list[Told])
    problems: list[Told] = attrs.field(factory=list[Told])


def clean(cell: str) -> tuple[str, str]:
    """Take away what spreadsheets put around a value; return the value, and a note where more than blanks went."""
    value = cell.strip()
    if not value or (value.isascii() and value[0] not in "'=" and "&" not in value):
        return value, ""
    if _ENTITY.search(value):
        return html.unescape(value).strip(), "a sign that was written for the web is written out"
    if not value.isascii():
        value = _INVISIBLE.sub("", value).strip()
    if wrapped := _WRAPPED.fullmatch(value):
        return wrapped[1].strip(), "the formula of a spreadsheet around it is taken away"
    if _FORMULA.match(value):
        return value.lstrip("'").strip(), "the apostrophe of a spreadsheet before it is taken away"
    return value, ""


def make_ready(
    given: Mapping[str, str], *, phone: str | None = None, ioss: str | None = None, names: bool = True
) -> Ready:
    """Make an address ready.

    Args:
        given: its fields, by the names of `Address`, and perhaps first, last, company and street3.
        phone: for an address without one.
        ioss: for an address in the EU without one.
        names: take names of countries, too; else codes alone.
    """
    ready = Ready({name: given[name] for name in ("ioss", "vat") if given.get(name)})
    _recipient(given, ready)
    country = _country(given.get("country", ""), ready, names=names)
    _streets(given, ready)
    _city_and_province(given, country, ready)
    _zip(given.get("zip", ""), country, ready)
    number = _narrow(given.get("phone", ""), "phone", ready)
    if number and (is_blank(number) or not (value_problem(number) or re.search(r"\d", number))):
        number = ""
        if phone is None:
            ready.problems.append(("phone", "it is no phone number"))
    if not number and phone is not None:
        number = phone
        ready.notes.append(("phone", "the file has none: the one that you gave is sent"))
    ready.fields["phone"] = number
    if not number and not any(field == "phone" for field, _ in ready.problems):
        ready.problems.append(("phone", "it is missing: give one for all orders without (--phone)"))
    if ioss and country in EU and "ioss" not in ready.fields:
        ready.fields["ioss"] = ioss
        ready.notes.append(("ioss", "the number that you gave is sent"))
    return ready


def _recipient(given: Mapping[str, str], ready: Ready) -> None:
    recipient = given.get("recipient", "")
    if not recipient:
        recipient = " ".join(filter(None, (given.get("first", ""), given.get("last", ""))))
    if not recipient and (company := given.get("company", "")):
        recipient = company
        ready.notes.append(("recipient", "the address has no name: the company takes its place"))
    ready.fields["recipient"] = recipient
    if not recipient:
        ready.problems.append(("recipient", "it is missing"))


def _country(name: str, ready: Ready, *, names: bool) -> str:
    code = country_code(name) if name else None
    if code is not None and not names and code != name.upper():
        ready.problems.append(("country", f"it must be a code of two letters: write {code}"))
        return ""
    if code is None:
        trouble = "it is no country that is known: write its code, as US" if name else "it is missing"
        ready.problems.append(("country", trouble))
        return ""
    if code != name:
        ready.notes.append(("country", f"it is written as {code}"))
    ready.fields["country"] = code
    return code.partition("_")[0]


def _streets(given: Mapping[str, str], ready: Ready) -> None:
    parts = [given.get(name, "") for name in ("street1", "street2", "street3")]
    company = given.get("company", "")
    if company and company != ready.fields["recipient"]:
        if not parts[1] and not parts[2]:
            parts[1] = company
            ready.notes.append(("street2", "the company is written here, for KakaClo has no field for it"))
        else:
            ready.notes.append(("street2", "the company is left out: KakaClo has no field for it"))
    filled = [part for part in parts if part]
    street1, street2, note = fit_streets(filled)
    if street1 is None:
        ready.problems.append(
            (
                "street1",
                f"the street has {len(', '.join(filled))} characters, and two lines take {_STREET} each",
            )
        )
        return
    ready.fields["street1"], ready.fields["street2"] = street1, street2
    if note:
        ready.notes.append(("street2", note))
    elif filled and not parts[0]:
        ready.notes.append(("street1", "the first line of the street was empty: the next takes its place"))
    elif parts[2]:
        ready.notes.append(("street2", "the third line of the street is written here"))


def fit_streets(parts: Sequence[str]) -> tuple[str | None, str, str]:
    """Write the lines of a street in two, without losing any of it.

    Returns:
        Both lines, and what was done; None where it does not fit.
    """
    if len(parts) <= 2 and all(len(part) <= _STREET for part in parts):
        first, second = (*parts, "", "")[:2]
        return first, second, ""
    if len(parts) == 3:
        for first, second in (
            (parts[0], f"{parts[1]}, {parts[2]}"),
            (f"{parts[0]}, {parts[1]}", parts[2]),
        ):
            if len(first) <= _STREET and len(second) <= _STREET:
                return first, second, "three lines of the street are written in two"
    whole = ", ".join(parts)
    for sign, pattern in (("comma", r",\s*"), ("blank", r"\s+")):
        cuts = [
            found
            for found in re.finditer(pattern, whole)
            if found.start() <= _STREET and len(whole) - found.end() <= _STREET
        ]
        if cuts:
            first, second = whole[: cuts[-1].start()], whole[cuts[-1].end() :]
            return (
                first,
                second,
                f"the street is longer than {_STREET} characters: it is cut in two at a {sign}",
            )
    return None, "", ""


def _city_and_province(given: Mapping[str, str], country: str, ready: Ready) -> None:
    city, province = given.get("city", ""), given.get("province", "")
    if not city and country in CITIES:
        city = CITIES[country]
        ready.notes.append(("city", f"it is missing: {city} takes its place"))
    if country and re.match(rf"{country}-\w", province, re.IGNORECASE):
        province = province[len(country) + 1 :]
        ready.notes.append(("province", "the country's code before it is taken away"))
    if is_blank(province) or province.casefold() == "default":  # as eBay writes it
        province = ""
    if not province and country in WITH_PROVINCE:
        ready.problems.append(("province", f"it is missing, and {country} needs the state or province"))
    elif not province and city:
        if len(city) <= 32:
            province = city
            ready.notes.append(("province", "it is missing: the city takes its place"))
        else:
            ready.problems.append(("province", "it is missing, and the city is too long to take its place"))
    elif not province:
        ready.problems.append(("province", "it is missing, and so is the city"))
    ready.fields["city"], ready.fields["province"] = city, province


def _narrow(value: str, field: str, ready: Ready) -> str:
    """Write the wide digits of Japanese keyboards as others."""
    written = narrow(value)
    if written != value:
        ready.notes.append((field, "its wide digits are written as usual ones"))
    return written


def _zip(given: str, country: str, ready: Ready) -> None:
    code = _narrow(given, "zip", ready)
    if is_blank(code):
        code = ""
    if number := _ZIP_AS_NUMBER.fullmatch(code):
        code = number[1]
        ready.notes.append(("zip", "the .0 of a spreadsheet is taken away"))
    short = _SHORT_ZIP.fullmatch(code) if country in _US else None
    if short:
        state = ready.fields.get("province", "").casefold() if country == "US" else country.casefold()
        zeros = 5 - len(short[1])
        if state in (_ONE_ZERO if zeros == 1 else _TWO_ZEROS):
            code = "0" * zeros + short[1] + (f"-{short[2]}" if short[2] else "")
            ready.notes.append(("zip", "the zero in front, which a spreadsheet took, is put back"))
    ready.fields["zip"] = code
