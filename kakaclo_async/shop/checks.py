"""What makes an address one that nobody can deliver to, told from the address alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kakaclo_async.models.order import Address


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


COUNTRIES: Final = _codes(
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT"
    " BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH"
    " ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT"
    " HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS"
    " LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI"
    " NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG"
    " SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG"
    " UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"
)
"""ISO 3166-1, and Kosovo."""

EU: Final = _codes("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT MC NL PL PT RO SK SI ES SE")
"""Where an IOSS number counts; Monaco belongs to France's VAT."""

CITIES: Final = {
    "SG": "Singapore",
    "HK": "Hong Kong",
    "MO": "Macao",
    "MC": "Monaco",
    "GI": "Gibraltar",
    "VA": "Vatican City",
}
"""Countries that are a city."""

WITHOUT_ZIP: Final = _codes(
    "AE AG AO AW BB BF BI BJ BO BS BW BZ CD CF CG CI CK CM CW DJ DM ER FJ GD GH GM GN GQ GY HK JM KI KM"
    " KN KP LY ML MO MR MW NR NU PA QA RW SB SC SL SO SR ST SX SY TD TG TK TL TO TV UG VU YE ZW BM BQ GA"
    " GI IE NA SS TT TZ"
)
"""Where addresses have no postal code, or often none."""

WITH_PROVINCE: Final = _codes("US CA AU BR MX IN JP CN")
"""Where a parcel needs the state, province or prefecture."""

_FIVE: Final = r"\d{5}"
_FOUR: Final = r"\d{4}"
_ZIP: Final = {
    country: re.compile(rf"(?:{country}-|{country[0]}-)?(?:{pattern})", re.ASCII | re.IGNORECASE)
    for country, pattern in {
        "US": r"\d{5}(?:[- ]?\d{4})?",
        "PR": r"\d{5}(?:[- ]?\d{4})?",
        "VI": r"\d{5}(?:[- ]?\d{4})?",
        "GU": r"\d{5}(?:[- ]?\d{4})?",
        "CA": r"[ABCEGHJ-NPRSTVXY]\d[A-Z][ -]?\d[A-Z]\d",
        "GB": r"[A-Z]{1,2}\d[A-Z\d]?\s*\d[A-Z]{2}|BFPO\s*\d{1,4}",
        "JE": r"JE\d[A-Z\d]?\s*\d[A-Z]{2}",
        "GG": r"GY\d[A-Z\d]?\s*\d[A-Z]{2}",
        "IM": r"IM\d[A-Z\d]?\s*\d[A-Z]{2}",
        "IE": r"(?:[AC-FHKNPRTV-Y]\d{2}|D6W)\s*[0-9AC-FHKNPRTV-Y]{4}|(?:Dublin\s*)?\d{1,2}W?",
        "FR": r"\d{2}[ ]?\d{3}",
        "MC": r"980\d{2}",
        "DE": _FIVE,
        "ES": _FIVE,
        "IT": _FIVE,
        "FI": _FIVE,
        "HR": _FIVE,
        "EE": _FIVE,
        "UA": _FIVE,
        "TR": _FIVE,
        "MX": _FIVE,
        "MY": _FIVE,
        "TH": _FIVE,
        "KR": r"\d{5}|\d{3}-\d{3}",
        "AT": _FOUR,
        "BE": _FOUR,
        "CH": _FOUR,
        "LI": _FOUR,
        "DK": _FOUR,
        "NO": _FOUR,
        "LU": _FOUR,
        "HU": _FOUR,
        "SI": _FOUR,
        "BG": _FOUR,
        "CY": _FOUR,
        "AU": _FOUR,
        "NZ": _FOUR,
        "ZA": _FOUR,
        "PH": _FOUR,
        "NL": r"\d{4}\s*[A-Z]{2}",
        "SE": r"\d{3}\s*\d{2}",
        "CZ": r"\d{3}\s*\d{2}",
        "SK": r"\d{3}\s*\d{2}",
        "GR": r"\d{3}\s*\d{2}",
        "PL": r"\d{2}-?\d{3}",
        "PT": r"\d{4}(?:[- ]?\d{3})?",
        "LV": _FOUR,
        "LT": _FIVE,
        "MT": r"[A-Z]{3}\s*\d{2,4}",
        "RO": r"\d{6}",
        "IN": r"\d{3}\s?\d{3}",
        "SG": r"\d{6}",
        "CN": r"\d{6}",
        "RU": r"\d{6}",
        "JP": r"\d{3}-?\d{4}",
        "BR": r"\d{5}-?\d{3}",
        "TW": r"\d{3}(?:-?\d{2,3})?",
        "IL": r"\d{5}(?:\d{2})?",
        "SA": r"\d{5}(?:-\d{4})?",
    }.items()
}

_CUT: Final = re.compile(r"'?[+-]?\d(?:[.,]\d+E\+?|E\+)\d+", re.ASCII | re.IGNORECASE)
_APOSTROPHE: Final = re.compile(r"'[=+\-@\d]")
_MASKED: Final = re.compile(r"\*|[•●]{2,}|X{5,}")
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]{2,}")
_SIGNS: Final = bytes(range(0x80, 0xC0)).decode("cp1252", "ignore") + "?\xd7\xf7"
_GARBLED: Final = re.compile(
    # Inside a word: what accents become that are read in the wrong encoding. The others are letters and signs of names.
    "\ufffd|[A-Za-z\xc0-\xff][\x80-\x9f{}][A-Za-z\xe0-\xff]".format(
        "".join(
            re.escape(sign)
            for sign in _SIGNS
            if not sign.isalpha() and sign not in "\xa0\xad\xb0\xb4\xb7\u2018\u2019\u201c\u201d\u2013\u2014"
        )
    )
)
_FIELDS: Final = ("recipient", "phone", "street1", "street2", "city", "province", "zip")


def address_problems(address: Address) -> list[tuple[str, str]]:
    """Name why nobody can deliver to an address: each time a field of it, and the problem, which repeats no part of it.

    Args:
        address: one that keeps KakaClo's limits.
    """
    return list(_problems(address))


def _problems(address: Address) -> Iterator[tuple[str, str]]:
    values = {name: (getattr(address, name) or "").strip() for name in _FIELDS}
    country = address.country.partition("_")[0]
    if country not in COUNTRIES:
        yield "country", f"there is no country {country!r}"
    broken: set[str] = set()
    for name, value in values.items():
        if trouble := value_problem(value):
            broken.add(name)
            yield name, trouble
        elif _APOSTROPHE.match(value):
            broken.add(name)
            yield name, "it has the apostrophe of a spreadsheet before it"
    if "phone" not in broken and sum(map(str.isdigit, values["phone"])) < 5:
        yield "phone", "it is no phone number: it has fewer than 5 digits"
    if not values["street1"] and not values["street2"]:
        yield "street1", "there is no street"
    if not values["city"] and country not in CITIES:
        yield "city", "there is no city"
    if country in COUNTRIES and "zip" not in broken:
        yield from _zip_problems(country, values["zip"])
    if address.province.strip() in {"-", "--", "."} or not address.province.strip():
        yield "province", "there is no province"


def _zip_problems(country: str, code: str) -> Iterator[tuple[str, str]]:
    if not code:
        if country not in WITHOUT_ZIP:
            yield "zip", f"there is no postal code, and {country} has them"
        return
    pattern = _ZIP.get(country)
    if pattern is None or pattern.fullmatch(code):
        return
    other = next((name for name in ("US", "GB", "CA", "NL") if _ZIP[name].fullmatch(code)), None)
    if country not in WITHOUT_ZIP or (other is not None and not code.isdigit()):
        looks = f": it looks like one of {other}" if other and not code.isdigit() else ""
        lost = ": has it lost the zero in front?" if _lost_zero(pattern, code) else ""
        yield "zip", f"it is no postal code of {country}{looks or lost}"


def _lost_zero(pattern: re.Pattern[str], code: str) -> bool:
    return pattern.fullmatch(f"0{code}") is not None


def value_problem(value: str) -> str:
    """Say why a value is lost for good: cut, masked, or read in the wrong encoding; "" if it is not."""
    if not value:
        return ""
    if _MASKED.search(value):
        return "it is masked: export the order again while it still has its address"
    if is_cut(value):
        return "a spreadsheet cut it: export the file again, and do not save it in one"
    if not value.isascii() and any(map(_twice_encoded, _NOT_ASCII.findall(value))):
        return "its accents are encoded twice: export the file again as UTF-8"
    if _GARBLED.search(value):
        return "its accents are lost: export the file again as UTF-8"
    return ""


def is_cut(value: str) -> bool:
    """Whether a spreadsheet wrote a long number short, as "5.76400E+17"."""
    return _CUT.fullmatch(value) is not None


def _twice_encoded(signs: str) -> bool:
    """Whether signs are the bytes of others, each read as a sign of its own; cp1252 lacks five of them."""
    try:
        data = b"".join(
            sign.encode("latin-1") if "\x80" <= sign <= "\x9f" else sign.encode("cp1252") for sign in signs
        )
        return bool(data.decode())
    except UnicodeError:
        return False
