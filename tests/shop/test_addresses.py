"""What is wrong with an address for good is a problem; what can be mended is mended, and told."""

from __future__ import annotations

import sys

import pytest
from support.shop_files import ADDRESS, OWN, OWN_ORDER, notes, only, problems, read, table

from kakaclo_async import Address, ConfigurationError, InvalidRequest
from kakaclo_async.shop import address_problems
from kakaclo_async.shop.addresses import fit_streets, make_ready
from kakaclo_async.shop.countries import country_code


def fields(**changed):
    return [field for field, _ in address_problems(Address(**(ADDRESS | changed)))]


def test_a_good_address_has_no_problem():
    assert fields() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("phone", "1.55501E+11"),
        ("phone", "1,55501E+11"),
        ("phone", "-"),
        ("phone", "n/a"),
        ("phone", "'+15550100"),
        ("zip", "'02155"),
        ("phone", "(+1)555*****12"),
        ("recipient", "T***"),
        ("recipient", "J*** D**"),
        ("street1", "***"),
        ("city", "MontrÃ©al"),
        ("city", "KÃ¶ln"),
        ("recipient", "JosÃ©"),
        ("city", "Montr\ufffdal"),
        ("city", "Montr?al"),
        ("city", "MontrŽal"),  # of a Mac
        ("city", "MontrŽal".replace("Ž", "‡")),
        ("street1", ""),
        ("city", ""),
        ("city", " "),
        ("zip", ""),
        ("zip", "SW1A 1AA"),
        ("zip", "2155"),
        ("zip", "H1W 3N8"),
        ("zip", "5.76400E+17"),
        ("province", "-"),
    ],
)
def test_what_nobody_can_deliver_to_is_a_problem(field, value):
    assert fields(**{field: value}) == [field]


@pytest.mark.parametrize(
    "changed",
    [
        {"city": "Montréal"},
        {"city": "São Paulo"},
        {"city": "Łódź"},
        {"city": "東京都"},
        {"city": "Sant Cel·loni"},
        {"city": "L’Aquila"},
        {"street1": "C/ Mayor 1ºD"},
        {"recipient": "Siân Ó Broin-Müßig"},
        {"phone": "+1 555 0100 ext. 12345"},
        {"zip": "02155-1234"},
        {"zip": "021551234"},
        {"street1": "Apt 4E10"},
    ],
)
def test_what_is_usual_somewhere_is_no_problem(changed):
    assert fields(**changed) == []


@pytest.mark.parametrize(
    ("country", "good", "bad"),
    [
        ("GB", "SW1A 1AA", "33101"),
        ("GB", "l111bu", "SW1A"),
        ("CA", "H1W 3N8", "33101"),
        ("CA", "h1w3n8", "H1W"),
        ("DE", "01067", "1067"),
        ("DE", "D-01067", "SW1A 1AA"),
        ("FR", "75001", "7500"),
        ("ES", "08001", "8001"),
        ("IT", "00100", "100"),
        ("NL", "1012 AB", "1012"),
        ("BE", "1000", "10000"),
        ("AT", "1010", "A1010B"),
        ("CH", "8001", "80010"),
        ("SE", "111 22", "1112"),
        ("NO", "0150", "150"),
        ("DK", "1050", "10500"),
        ("FI", "00100", "100"),
        ("PL", "00-950", "950"),
        ("PT", "1000-001", "100"),
        ("CZ", "110 00", "1100"),
        ("GR", "104 31", "10"),
        ("HU", "1011", "10111"),
        ("RO", "010011", "10011"),
        ("AU", "2000", "200"),
        ("NZ", "6011", "60111"),
        ("JP", "100-0001", "1000"),
        ("BR", "01310-100", "1310"),
        ("MX", "01000", "1000"),
        ("IN", "110 001", "1100"),
        ("SG", "018956", "18956"),
        ("KR", "03051", "305"),
        ("IE", "D02 AF30", "SW1A 1AA"),
    ],
)  # fmt: skip
def test_postal_codes_are_those_of_their_country(country, good, bad):
    assert fields(country=country, zip=good) == []
    assert fields(country=country, zip=bad) == ["zip"]


def test_countries_without_postal_codes_need_none():
    assert fields(country="AE", zip="") == []
    assert fields(country="HK", zip="", city="") == []
    assert fields(country="QQ") == ["country"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("US", "US"),
        (" us ", "US"),
        ("USA", "US"),
        ("U.S.A.", "US"),
        ("United States", "US"),
        ("United States of America", "US"),
        ("UK", "GB"),
        ("GBR", "GB"),
        ("Great Britain", "GB"),
        ("England", "GB"),
        ("The Netherlands", "NL"),
        ("Deutschland", "DE"),
        ("ALLEMAGNE", "DE"),
        ("Vereinigtes Königreich", "GB"),
        ("Korea, Republic of", "KR"),
        ("South Korea", "KR"),
        ("Czech Republic", "CZ"),
        ("Türkiye", "TR"),
        ("Turkey", "TR"),
        ("Côte d'Ivoire", "CI"),
        ("日本", "JP"),
        ("CN_S", "CN_S"),
        ("Florida", None),
        ("Narnia", None),
        ("ZZ", None),
        ("EU", None),
        ("", None),
        ("-", None),
    ],
)  # fmt: skip
def test_countries_are_known_by_their_names(name, code):
    assert country_code(name) == code


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"zip": "2155", "province": "MA"}, "02155"),
        ({"zip": "2155", "province": "Massachusetts"}, "02155"),
        ({"zip": "2155-1234", "province": "ma"}, "02155-1234"),
        ({"zip": "901", "province": "PR"}, "00901"),
        ({"zip": "2155", "province": "FL"}, "2155"),
        ({"zip": "215", "province": "MA"}, "215"),
        ({"zip": "33101", "province": "FL"}, "33101"),
        ({"zip": "2155", "province": "MA", "country": "AU"}, "2155"),
        ({"zip": "〒１００−０００１", "country": "JP"}, "100-0001"),
    ],
)
def test_a_zip_is_mended_where_only_one_can_be_meant(given, code):
    ready = make_ready(ADDRESS | given)
    assert ready.fields["zip"] == code
    assert any(field == "zip" for field, _ in ready.notes) is (code != given["zip"])


def test_names_of_countries_say_what_they_need(monkeypatch):
    monkeypatch.setitem(sys.modules, "babel", None)
    assert country_code("us") == "US"
    with pytest.raises(ConfigurationError, match="pip install 'kakaclo.shop.'"):
        country_code("Absurdistan")


def test_a_country_that_is_a_city_needs_no_city():
    ready = make_ready(ADDRESS | {"country": "SG", "zip": "018956", "city": "", "province": ""})
    assert (ready.fields["city"], ready.fields["province"], ready.problems) == ("Singapore", "Singapore", [])


@pytest.mark.parametrize(
    ("given", "recipient", "street2"),
    [
        ({"recipient": "", "company": "Test Ltd"}, "Test Ltd", ""),
        ({"company": "Test Ltd"}, ADDRESS["recipient"], "Test Ltd"),
        ({"company": "Test Ltd", "street2": "Unit 5"}, ADDRESS["recipient"], "Unit 5"),
        ({"company": ADDRESS["recipient"]}, ADDRESS["recipient"], ""),
    ],
)
def test_a_company_is_never_lost_in_silence(given, recipient, street2):
    ready = make_ready(ADDRESS | given)
    assert (ready.fields["recipient"], ready.fields["street2"]) == (recipient, street2)
    assert bool(ready.notes) is (given["company"] != recipient or not given.get("recipient", "x"))


@pytest.mark.parametrize("given", [{"city": "", "province": ""}, {"city": "C" * 33, "province": ""}])
def test_a_province_that_no_city_can_replace_is_a_problem(given):
    ready = make_ready(ADDRESS | {"country": "DE", "zip": "01067"} | given)
    assert [field for field, _ in ready.problems] == ["province"]


LONG = "1234 Northwest Very Long Avenue Name, Building Complex Number 12, Floor 3"


@pytest.mark.parametrize(
    ("parts", "street1", "street2"),
    [
        (["1 Main St"], "1 Main St", ""),
        (["1 Main St", "Unit 5"], "1 Main St", "Unit 5"),
        (["1 Main St", "Building 2", "Unit 5"], "1 Main St", "Building 2, Unit 5"),
        (["1 Main St", "B" * 60, "Unit 5"], None, None),
        ([LONG], "1234 Northwest Very Long Avenue Name, Building Complex Number 12", "Floor 3"),
        ([" ".join(["word"] * 16)], " ".join(["word"] * 13)[:64], " ".join(["word"] * 3)),
        (["x" * 65], None, None),
        (["x" * 64, "y" * 64, "z"], None, None),
    ],
)
def test_a_street_is_written_in_two_lines_and_never_cut_short(parts, street1, street2):
    first, second, _ = fit_streets(parts)
    assert (first, second) == (street1, street2 or "")
    if first is not None:
        assert len(first) <= 64
        assert len(second) <= 64
        assert "".join(c for c in first + second if c.isalnum()) == "".join(
            c for c in "".join(parts) if c.isalnum()
        )


def own(**changed):
    return read(table(OWN, {"custom_order_id": "K1", **OWN_ORDER, **changed}))


@pytest.mark.parametrize(
    ("changed", "field", "value"),
    [
        ({"zip": "'32801"}, "zip", "32801"),
        ({"zip": '="32801"'}, "zip", "32801"),
        ({"phone": "'+1 555 0100"}, "phone", "+1 555 0100"),
        ({"zip": "2155", "province": "MA"}, "zip", "02155"),
        ({"country": "us"}, "country", "US"),
        ({"country": "DE", "zip": "01067", "province": ""}, "province", "Orlando"),
        ({"country": "DE", "zip": "01067", "province": "DE-SN"}, "province", "SN"),
    ],
)
def test_what_is_mended_is_told(changed, field, value):
    found = own(**changed)
    assert getattr(only(found).address, field) == value
    assert (2, f"address.{field}") in notes(found)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"recipient": "N" * 33}, "recipient"),
        ({"recipient": ""}, "recipient"),
        ({"phone": "1.55501E+11"}, "phone"),
        ({"phone": "-"}, "phone"),
        ({"phone": ""}, "phone"),
        ({"province": ""}, "province"),
        ({"country": ""}, "country"),
        ({"country": "Narnia"}, "country"),
        ({"street1": ""}, "street1"),
        ({"street1": "x" * 65}, "street1"),
        ({"city": "KÃ¶ln"}, "city"),
        ({"zip": "SW1A 1AA"}, "zip"),
    ],
)
def test_what_cannot_be_mended_is_a_problem_once(changed, field):
    found = own(**changed)
    assert found.orders == ()
    assert [(line, name) for line, name, _ in problems(found)] == [(2, f"address.{field}")]


def test_a_given_phone_takes_the_place_of_none_but_not_of_a_masked_one():
    text = table(OWN, *({"custom_order_id": f"K{n}", **OWN_ORDER, "phone": phone}
                        for n, phone in enumerate(["", "-", "T***", "1.55501E+11"])))  # fmt: skip
    found = read(text, phone="+1 555 0199")
    assert [(entry.custom_order_id, entry.order.address.phone) for entry in found.orders] == [
        ("K0", "+1 555 0199"),
        ("K1", "+1 555 0199"),
    ]
    assert {each.order for each in found.problems} == {"K2", "K3"}


@pytest.mark.parametrize("phone", ["", "-", "1234", "1.55501E+11", "T***", "5" * 65])
def test_a_phone_that_is_none_is_refused_once_and_not_with_every_order(phone):
    with pytest.raises(InvalidRequest, match="phone number for orders without one cannot be sent") as caught:
        read(table(OWN, {"custom_order_id": "K1", **OWN_ORDER}), phone=phone)
    assert not phone or phone not in str(caught.value)


@pytest.mark.parametrize("number", ["", "IM123", "2760000742", "GB123456789", "IM2.76E+09"])
def test_an_ioss_number_that_is_none_is_refused_once(number):
    with pytest.raises(InvalidRequest, match="must be IM and 10 digits"):
        read(table(OWN, {"custom_order_id": "K1", **OWN_ORDER}), ioss=number)


def test_an_ioss_number_is_taken_however_it_is_written():
    german = {"country": "DE", "zip": "01067"}
    found = read(table(OWN, {"custom_order_id": "K1", **OWN_ORDER, **german}), ioss=" im 276 000 0742")
    assert only(found).address.ioss == "IM2760000742"


def test_an_ioss_number_is_given_to_orders_into_the_eu_alone():
    german = {"country": "DE", "zip": "01067"}
    rows = [{"custom_order_id": "K1", **OWN_ORDER}, {"custom_order_id": "K2", **OWN_ORDER, **german}]
    found = read(table(OWN, *rows), ioss="IM2760000742")
    assert [entry.order.address.ioss for entry in found.orders] == [None, "IM2760000742"]
    assert notes(found) == [(3, "address.ioss")]
