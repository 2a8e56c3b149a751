"""Countries by their names: in English, in other languages of shops, and as people write them."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

from kakaclo_async.errors import MissingExtra
from kakaclo_async.shop.checks import COUNTRIES

_LANGUAGES: Final = (
    "de", "fr", "es", "it", "nl", "pt", "pl", "sv", "da", "nb", "fi", "cs", "sk", "hu", "ro", "bg", "el", "hr", "sl",
    "lt", "lv", "et", "tr", "ru", "uk", "ja", "ko", "zh", "zh_Hant", "vi", "th", "id", "ar", "he",
)  # fmt: skip
_ALSO: Final = {
    "great britain": "GB",
    "britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "northern ireland": "GB",
    "united kingdom of great britain and northern ireland": "GB",
    "uk": "GB",
    "u k": "GB",
    "united states of america": "US",
    "u s": "US",
    "u s a": "US",
    "america": "US",
    "holland": "NL",
    "the netherlands": "NL",
    "republic of ireland": "IE",
    "eire": "IE",
    "el": "GR",
    "czech republic": "CZ",
    "turkey": "TR",
    "russian federation": "RU",
    "korea": "KR",
    "republic of korea": "KR",
    "korea republic of": "KR",
    "korea south": "KR",
    "hong kong": "HK",
    "macau": "MO",
    "macao": "MO",
    "taiwan province of china": "TW",
    "taiwan roc": "TW",
    "viet nam": "VN",
    "uae": "AE",
    "brasil": "BR",
    "macedonia": "MK",
    "slovak republic": "SK",
    "moldova republic of": "MD",
    "tanzania united republic of": "TZ",
    "venezuela bolivarian republic of": "VE",
    "bolivia plurinational state of": "BO",
    "iran islamic republic of": "IR",
    "brunei darussalam": "BN",
    "cote d ivoire": "CI",
    "ivory coast": "CI",
    "cape verde": "CV",
    "swaziland": "SZ",
    "burma": "MM",
    "palestine": "PS",
    "vatican": "VA",
    "holy see": "VA",
    "virgin islands u s": "VI",
    "us virgin islands": "VI",
    "virgin islands british": "VG",
    "china mainland": "CN",
    "mainland china": "CN",
    "peoples republic of china": "CN",
    "p r china": "CN",
    "prc": "CN",
}


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
    key = _key(name)
    if len(key) < 2:
        return None
    return _ALSO.get(key) or _named(key)


def _key(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.casefold().replace("&", " and "))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return " ".join(re.findall(r"\w+", re.sub("['\u2019]", "", plain))).removeprefix("the ")


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
