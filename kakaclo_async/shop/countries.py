"""Countries by their names: in English, in other languages of shops, and as people write them."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final

from kakaclo_async.errors import MissingExtra
from kakaclo_async.models.address_checks import COUNTRIES, NAMES, name_key

_LANGUAGES: Final = (
    "de", "fr", "es", "it", "nl", "pt", "pl", "sv", "da", "nb", "fi", "cs", "sk", "hu", "ro", "bg", "el", "hr", "sl",
    "lt", "lv", "et", "tr", "ru", "uk", "ja", "ko", "zh", "zh_Hant", "vi", "th", "id", "ar", "he",
)  # fmt: skip


def _key(name: str) -> str:
    return " ".join(re.sub(r"\bthe\b", "", re.sub(r"\bsaint\b", "st", name_key(name))).split())


_ALSO: Final = NAMES | {
    _key(name): code
    for code, names in {
        "AT": "oesterreich",
        "BA": "bosnia herzegovina",
        "BN": "brunei darussalam",
        "BQ": "bonaire sint eustatius and saba",
        "CD": "congo the democratic republic of the|congo democratic republic of the"
        "|democratic republic of the congo|dr congo",
        "CG": "republic of the congo",
        "CI": "cote d ivoire|ivory coast",
        "CV": "cape verde",
        "FK": "falkland islands malvinas",
        "FR": "france metropolitan|france metropolitaine",
        "KP": "korea democratic peoples republic of|democratic peoples republic of korea|north korea",
        "LA": "lao peoples democratic republic|lao pdr",
        "LY": "libyan arab jamahiriya",
        "MF": "st martin french part",
        "MK": "macedonia|macedonia the former yugoslav republic of",
        "MM": "burma",
        "MO": "macau|macao|macao sar|macao s a r|macao s a r china|\u6fb3\u9580|\u6fb3\u95e8",
        "PS": "palestine|state of palestine|palestinian territory|palestinian territory occupied",
        "RU": "russian federation",
        "SH": "st helena ascension and tristan da cunha",
        "SK": "slovak republic",
        "SX": "st martin dutch part|sint maarten dutch part",
        "SY": "syrian arab republic",
        "SZ": "swaziland",
        "TL": "east timor",
        "TR": "turkey",
        "TW": "taiwan province of china|taiwan roc|republic of china|taiwan republic of china",
        "VA": "vatican|holy see|vatican city state|holy see vatican city state",
        "VG": "virgin islands british",
        "VI": "virgin islands u s|virgin islands us|us virgin islands|united states virgin islands",
        "VN": "viet nam",
    }.items()
    for name in names.split("|")
}
_SEVERAL: Final = {"congo", "virgin islands"}
"""What two countries are called."""
_STATE_OF: Final = re.compile(
    r"^(?:(?:federal|federated|islamic|plurinational|bolivarian|united|socialist) )?"
    r"(?:republic|states?|kingdom|principality|commonwealth|grand duchy|sultanate) of (?:the )?"
)
_LAST_FIRST: Final = re.compile(r"([^,]+), ([^,]+ of(?: the)?)", re.IGNORECASE)


@lru_cache(maxsize=1024)
def country_code(name: str) -> str | None:
    """Return the code of a country that is given by its code or its name, or None.

    Args:
        name: "US", "us", "USA", "United States", "Vereinigtes Königreich", "CN_S".

    Raises:
        ConfigurationError: it takes the names of countries, and babel is not installed.
    """
    written = name.strip().upper()
    if written in COUNTRIES or re.fullmatch(r"[A-Z]{2}_[A-Z0-9]{1,9}", written, re.ASCII):
        return written
    if code := _known(name):
        return code
    # Two names of one country: "United States (US)", "England, UK".
    parts = [part for part in re.split(r"[(),/]", name) if part.strip()]
    found = {_known(part) for part in parts} if len(parts) > 1 else set[str | None]()
    return found.pop() if len(found) == 1 else None


def _known(name: str) -> str | None:
    if (written := name.strip().upper()) in COUNTRIES:
        return written
    key = _key(_LAST_FIRST.sub(r"\2 \1", name.strip()))
    if len(key) < 2 or key in _SEVERAL:
        return None
    return _ALSO.get(_key(name)) or _ALSO.get(key) or _named(key) or _named(_STATE_OF.sub("", key))


@cache
def _named(key: str) -> str | None:
    try:
        from babel import Locale  # noqa: PLC0415 - an extra
        from babel.core import get_global  # noqa: PLC0415
    except ImportError:
        raise MissingExtra("names of countries need babel: pip install 'kakaclo[shop]'") from None
    codes = get_global("territory_aliases").get(key.upper(), [])
    if len(key) == 3 and len(codes) == 1 and codes[0] in COUNTRIES:
        return str(codes[0])
    english = _names(Locale("en"))
    if key in english:
        return english[key]
    # A name that two languages give to two countries is no name of either.
    found = {names[key] for language in _LANGUAGES if key in (names := _names(Locale.parse(language)))}
    return found.pop() if len(found) == 1 else None


@cache
def _names(locale: object) -> dict[str, str]:
    territories: dict[str, str] = dict(getattr(locale, "territories", {}))
    return {_key(name): code for code, name in territories.items() if code in COUNTRIES}
