"""What makes an address one that nobody can deliver to, told from the address alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    import attrs


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

NAMES: Final = {
    name: code
    for code, names in {
        "AE": "united arab emirates|uae",
        "AT": "austria",
        "AU": "australia",
        "BE": "belgium",
        "BR": "brazil|brasil",
        "CA": "canada",
        "CH": "switzerland",
        "CN": "china|china mainland|mainland china|peoples republic of china|p r china|prc",
        "CZ": "czechia|czech republic",
        "DE": "germany|deutschland",
        "DK": "denmark",
        "ES": "spain|espana",
        "FI": "finland",
        "FR": "france",
        "GB": "united kingdom|uk|u k|great britain|britain|england|scotland|wales|northern ireland"
        "|united kingdom of great britain and northern ireland",
        "GR": "greece|el",
        "HK": "hong kong|hong kong sar|hong kong s a r|hong kong china|\u9999\u6e2f",
        "IE": "ireland|republic of ireland|eire",
        "IL": "israel",
        "IN": "india",
        "IT": "italy|italia",
        "JP": "japan",
        "KR": "south korea|korea|republic of korea|korea republic of|korea south",
        "MX": "mexico",
        "NL": "netherlands|holland",
        "NO": "norway",
        "NZ": "new zealand",
        "PL": "poland",
        "PT": "portugal",
        "SA": "saudi arabia",
        "SE": "sweden",
        "SG": "singapore",
        "US": "united states|united states of america|usa|u s|u s a|america|apo fpo",
        "ZA": "south africa",
    }.items()
    for name in names.split("|")
}
"""What people write for a code, by `name_key`: where most is sent."""

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

WITHOUT_CITY: Final = CITIES.keys() | _codes("AE AG JP KY NR SM VG")
"""Where addresses have no city, or need none beside the province."""

WITHOUT_ZIP: Final = _codes(
    "AE AF AG AI AM AO AQ AW AZ BB BD BF BH BI BJ BM BN BO BQ BS BT BV BW BZ CD CF CG CI CK CL CM CO CR CU CV"
    " CW DJ DM DO DZ EC EG EH ER ET FJ GA GD GE GH GI GM GN GQ GT GW GY HK HN HT IE IL IQ IR JM JO KE KG KH"
    " KI KM KN KP KW KY LA LB LC LK LR LS LY MA MG ML MM MN MO MR MS MU MV MW MZ NA NE NG NI NP NR NU OM PA"
    " PE PG PK PS PY QA RW SA SB SC SD SL SN SO SR SS ST SV SX SY SZ TD TF TG TJ TK TL TM TN TO TT TV TZ UG"
    " UY UZ VC VE VG VN VU WS YE ZM ZW"
)
"""Where addresses have no postal code, or often none."""

WITH_PROVINCE: Final = _codes("US CA AU BR MX IN JP CN")
"""Where a parcel needs the state, province or prefecture."""

_CODES: Final = {
    r"\d{3}": "FO IS",
    r"\d{4}": "AL AT AU BE BG CC CH CX CY DK GL HM HU LI LU LV MD MK NF NO NZ PH SI SJ ZA",
    r"\d{5}": "AX BA DE EE ES FI HR ID IT LT ME MX MY SM TH TR UA VA XK",
    r"\d{6}": "BY CN KZ RO RU SG",
    r"\d{5}(?:\s*-?\s*\d{4}|-)?": "AS FM GU MH MP PR PW UM US VI",
    r"\d{2} ?\d{3}": "FR MC",
    r"9[78]\d ?\d{2}": "BL GF GP MF MQ NC PF PM RE WF YT",
    r"\d{3}\s*\d{2}": "CZ GR SE SK",
    r"[A-Z]{1,2}\d[A-Z\d]?\s*-?\d[A-Z]{2}|GIR\s*0AA|BFPO\s*\d{1,4}": "GB",
    r"[A-Z]{4}\s*1ZZ": "FK GS IO PN SH TC",
    r"(?:JE)\d[A-Z\d]?\s*\d[A-Z]{2}": "JE",
    r"(?:GY)\d[A-Z\d]?\s*\d[A-Z]{2}": "GG",
    r"(?:IM)\d[A-Z\d]?\s*\d[A-Z]{2}": "IM",
    r"GX11\s*1AA": "GI",
    r"[ABCEGHJ-NPRSTVXY]\d[A-Z]\s*-?\s*\d[A-Z]\d": "CA",
    r"(?:[AC-FHKNPRTV-Y]\d{2}|D6W)\s*-?[0-9AC-FHKNPRTV-Y]{4}|(?:Dublin\s*)?\d{1,2}W?": "IE",
    r"\d{4}\s*[A-Z]{2}": "NL",
    r"\d{2}[- ]?\d{3}": "PL",
    r"\d{4}(?:[- ]?\d{3})?": "PT",
    r"\d{3}-?\d{4}": "JP",
    r"\d{5}|\d{3}-?\d{3}": "KR",
    r"\d{2}\.?\d{3}[- ]?\d{3}": "BR",
    r"[A-Z]?\d{4}(?:[A-Z]{3})?": "AR",
    r"\d{3}\s?\d{3}": "IN",
    r"\d{5,6}": "RS",
    r"\d{3}(?:-?\d{2,3})?": "TW",
    r"\d{5}(?:-?\d{4})?": "SA",
    r"AD\d{3}": "AD",
    r"[A-Z]{3}\s*\d{2,4}": "MT",
}
_ZIP: Final = {country: pattern for pattern, countries in _CODES.items() for country in countries.split()}

_BLANK: Final = {"-", "--", "---", ".", "n/a", "none", "null", "undefined"}
_TOWN: Final = "none"  # in Piedmont
# Texts, and compiled where they are used: few programs check an address, and all would wait for it when they start.
_CUT: Final = r"(?ai)'?[+-]?\d(?:[.,]\d+E\+?|E\+)\d+"
_APOSTROPHE: Final = r"'[=+\-@\d]"
_MASKED: Final = r"(?i)\*|[•●]{2,}|X{5,}|\[?\bredacted\b\]?"
_FRAMED: Final = r"(\*+)[^*]+ [^*]+\1"
"""An order to the driver: *** RING THE BELL ***"""
_DASH: Final = "[\u2010-\u2015\u2212\u30fc]"
_QUOTED: Final = "[\u00a0\u00ab\u00bb\u2018-\u201e]"
_LONG: Final = 5
_MOST_LOST: Final = 0.4
_NOT_ASCII: Final = r"[^\x00-\x7f]{2,}"
_SIGNS: Final = bytes(range(0x80, 0xC0)).decode("cp1252", "ignore") + "?\xd7\xf7"
_GARBLED: Final = (
    # Inside a word: what accents become that are read in the wrong encoding. The others are letters and signs of names.
    "\ufffd|[a-z][\u017d\u0160\u0178][a-z]|[a-z]\xc3|\xc3[a-z]|[a-z][\xc2-\xc5][a-z]|[A-Za-z\xc0-\xff][\x80-\x9f{}][A-Za-z\xe0-\xff]".format(
        "".join(
            re.escape(sign)
            for sign in _SIGNS
            if not sign.isalpha()
            and sign not in "\xa0\xad\xb0\xb4\xb7\u2018\u2019\u201c\u201d\u2013\u2014\u2022"
        )
    )
)
_LEAST_DIGITS: Final = 5
_FIELDS: Final = ("recipient", "phone", "street1", "street2", "city", "province", "zip")


def name_key(name: str) -> str:
    """Return what spellings of a name have in common: without accents, signs, capitals and "the"."""
    plain = unicodedata.normalize("NFKD", name.casefold().replace("&", " and "))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return " ".join(re.findall(r"\w+", re.sub("['\u2019]", "", plain))).removeprefix("the ")


def narrow(value: str) -> str:
    """Write the wide digits and dashes of other keyboards as usual ones, where nothing else is in it."""
    if value.isascii():
        return value
    written = re.sub(_DASH, "-", unicodedata.normalize("NFKC", value)).removeprefix("\u3012").strip()
    return written if written.isascii() else value


def is_blank(value: str) -> bool:
    """Whether a text stands for nothing: "-", "n/a"."""
    return not value or value.casefold() in _BLANK


def address_problems(address: attrs.AttrsInstance | Mapping[str, object]) -> list[tuple[str, str]]:
    """Name why nobody can deliver to an address: each time a field of it, and the problem, which repeats no part of it.

    Args:
        address: an `Address`, or plain data by its names. What it lacks is told where its country is known.
    """
    return list(_problems(_fields_of(address)))


def _problems(fields: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    values = {name: _text(fields.get(name)) for name in _FIELDS}
    given = _text(fields.get("country")).upper()
    country = given.partition("_")[0]
    if given and country not in COUNTRIES:
        meant = NAMES.get(name_key(given))
        yield "country", f"there is no country {country!r}" + (f": write {meant}" if meant else "")
    broken: set[str] = set()
    for name, value in values.items():
        if name == "province" and "city" in broken and value == values["city"]:
            continue  # it took its place
        if trouble := value_problem(value, name):
            broken.add(name)
            yield name, trouble
    if values["phone"] and "phone" not in broken and (trouble := phone_problem(values["phone"])):
        yield "phone", trouble
    if values["recipient"] and not any(map(str.isalnum, values["recipient"])) and "recipient" not in broken:
        yield "recipient", "it is no name"
    if country in COUNTRIES:
        yield from _missing(country, values)
        if "zip" not in broken:
            yield from _zip_problems(country, narrow(values["zip"]))


def _fields_of(address: object) -> Mapping[str, object]:
    if isinstance(address, Mapping):
        return cast("Mapping[str, object]", address)
    return {name: getattr(address, name, None) for name in ("country", *_FIELDS)}


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _missing(country: str, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if is_blank(values["street1"]) and is_blank(values["street2"]):
        yield "street1", "there is no street"
    city = values["city"]
    if is_blank(city) and country not in WITHOUT_CITY and not (country == "IT" and city.casefold() == _TOWN):
        yield "city", "there is no city"
    if values["province"] and is_blank(values["province"]) and country in WITH_PROVINCE:
        yield "province", "there is no province"


def _is_zip(country: str, code: str) -> bool:
    """Tell a postal code, with or without the country's sign before it: D-01067."""
    pattern = _ZIP.get(country)
    if pattern is None:
        return False
    sign = rf"(?:(?:{country}|{country[0]})(?:-| ?(?=\d)))?"
    return re.fullmatch(rf"(?ai){sign}(?:{pattern})", code) is not None


def _zip_problems(country: str, code: str) -> Iterator[tuple[str, str]]:
    if is_blank(code):
        if country not in WITHOUT_ZIP:
            yield "zip", f"there is no postal code, and {country} has them"
        return
    if _is_zip(country, code) and (country in WITHOUT_ZIP or code.strip("0-. ")):
        return
    others = () if code.isdigit() else ("US", "GB", "CA", "NL")
    other = next((name for name in others if _is_zip(name, code)), None)
    if other is not None or (country in _ZIP and country not in WITHOUT_ZIP):
        lost = _is_zip(country, f"0{code}")
        zero = ": has it lost the zero in front?" if lost else ""
        looks = f": it looks like one of {other}" if other else zero
        yield "zip", f"it is no postal code of {country}{looks}"


def phone_problem(value: str) -> str:
    """Say why a text is no phone number; "" if it is one."""
    is_short = sum(map(str.isdigit, value)) < _LEAST_DIGITS
    return value_problem(value, "phone") or (
        f"it is no phone number: it has fewer than {_LEAST_DIGITS} digits" if is_short else ""
    )


def value_problem(value: str, field: str = "") -> str:
    """Say why a value is lost for good: cut, masked, or read in the wrong encoding; "" if it is not.

    Args:
        value: without blanks around it.
        field: where it stands, by the names of `Address`; other texts may hold more.
    """
    if not value:
        return ""
    if re.search(_MASKED, value) and not (field.startswith("street") and re.fullmatch(_FRAMED, value)):
        return "it is masked: export the order again while it still has its address"
    if is_cut(value):
        return "a spreadsheet cut it: export the file again, and do not save it in one"
    if field and re.match(_APOSTROPHE, value):
        return "it has the apostrophe of a spreadsheet before it"
    if value.isascii() and "?" not in value:
        return ""
    if any(map(_twice_encoded, re.findall(_NOT_ASCII, value))):
        return "its accents are encoded twice: export the file again as UTF-8"
    if re.search(_GARBLED, value) or (field in {"city", "province"} and "?" in value):
        return "its accents are lost: export the file again as UTF-8"
    return ""


def is_cut(value: str) -> bool:
    """Whether a spreadsheet wrote a long number short, as "5.76400E+17"."""
    return re.fullmatch(_CUT, value) is not None


def _twice_encoded(signs: str) -> bool:
    """Whether signs are the bytes of others, each read as a sign of its own; cp1252 lacks five of them.

    By chance a letter with a sign after it is such bytes, too, as in "Úžlabina": one letter alone is believed to have
    been one of Europe, or a sign. In longer ones some bytes may be lost.
    """
    try:
        data = b"".join(
            sign.encode("latin-1") if "\x80" <= sign <= "\x9f" else sign.encode("cp1252") for sign in signs
        )
    except UnicodeError:
        return False
    meant = data.decode(errors="ignore")
    lost = len(data) - len(meant.encode())
    if len(data) < _LONG:
        is_one = meant <= "\u017f" or "\u0218" <= meant <= "\u021b" or "\u1e00" <= meant <= "\u20ff"
        return not lost and (len(meant) > 1 or is_one or (len(data) > 2 and not re.search(_QUOTED, signs)))
    return lost <= _MOST_LOST * len(data)
