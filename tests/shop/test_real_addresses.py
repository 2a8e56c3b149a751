"""Addresses as people of many countries write them; the people are invented. None is held that a parcel can reach."""

from __future__ import annotations

import pytest
from babel import Locale
from support.shop_files import SHOPIFY, SHOPIFY_LINE, read, table

from kakaclo_async.models.address_checks import value_problem
from kakaclo_async.shop.addresses import clean
from kakaclo_async.shop.countries import _LANGUAGES

DELIVERABLE = """
Jane Roe|123 Main St|Apt 4B|Boston|MA|02155|US|+1 617-555-0100
Jane Roe|123 Main St||Boston|Massachusetts|2155|United States|6175550100
Jane Roe|123 Main St||Boston|MA|2155-1234|US|(617) 555-0100
Jane Roe|123 Main St||Boston|MA|21551234|US|(617) 555-0100
Jane Roe|123 Main St||Boston|US-MA|02155-|US|617.555.0100
Jane Roe|123 Main St||Miami|FL|33101.0|United States (US)|6175550100
Jane Roe|123 Main St|#5-B|Miami|FL|33101 1234|USA|617-555-0100 ext. 12345
Bob O'Neil|PO Box 12||Anchorage|AK|99501|us|9075550100
Bob O&#39;Neil|PO Box 12||Anchorage|AK|99501|US|'+19075550100
SGT John Doe|Unit 2050 Box 4190||APO|AP|96278|US|+1 555 0100
PFC John Doe|PSC 3 Box 100||APO|AE|9123|US|5550100
John Doe|USS Example||FPO|Armed Forces Europe|9564|APO/FPO|5550100
Ana Rivera|Urb. Las Gladiolas|150 Calle A|San Juan|PR|00926|US|7875550100
Ana Rivera|Urb. Las Gladiolas|150 Calle A|San Juan||00926-3232|Puerto Rico|7875550100
Ana Rivera|Urb. Las Gladiolas||San Juan|Puerto Rico|926|US|7875550100
Lee King|Box 1||St Thomas||802|U.S. Virgin Islands|3405550100
Sam Cruz|100 Marine Dr||Hagatna||96910|Guam|6715550100
Wm. Smith|1 Eagle St||Washington|DC|20500|U.S.A.|2025550100
3M Co|Suite 5 1/2||St. Paul|MN|55144-1000|US|6515550100
Jim Poe|Apt 4E10||Austin|TX|78701|US|5125550100
Jim Poe|12 Elm St|*** RING THE BELL ***|Austin|TX|78701|US|5125550100
Jim Poe|12 Elm St|*leave at the door*|Austin|TX|78701|US|5125550100
Mary Major|10 Downing St||London||SW1A 2AA|United Kingdom (UK)|+44 20 7946 0000
Mary Major|Flat 2, 10 High St||Leeds|West Yorkshire|ls11aa|UK|0113 496 0000
Mary Major|The Old Mill||St. Mary's||EH1 1AA|Scotland|0131 496 0000
Mary Major|12 Falls Rd||Belfast||BT1-1AA|Northern Ireland|028 9018 0000
Cpl Mary Major|BFPO 57||BFPO||BFPO 57|GB|07700900000
Pat Le Page|1 Rue des Prés||St Peter Port||GY1 1AA|Guernsey|01481 960000
Pat Le Page|1 Rue des Prés||St Peter Port|Guernsey|GY1 1AA|GB|01481 960000
Pat Le Sueur|2 La Route||St Helier||JE2 3AB|Jersey|01534 960000
Juan Quayle|3 Strand St||Douglas||IM1 2AB|Isle of Man|01624 760000
Juan Quayle|3 Strand St||Douglas||IM1 2AB|GB|01624 760000
Eve Caruana|4 Main St||Gibraltar||GX11 1AA|Gibraltar|+350 200 00000
Seán Ó Broin|12 O'Connell St||Dublin|Co. Dublin|D02 AF30|Ireland|+353 1 555 0100
Seán Ó Broin|12 O'Connell St||Galway|Galway||IE|091 555010
Seán Ó Broin|12 O'Connell St||Dublin||Dublin 2|Republic of Ireland|015550100
Chan Tai Man|Flat A, 12/F, Block B|8 Nathan Rd|Kowloon|||Hong Kong SAR|+852 5555 0100
Chan Tai Man|Flat A, 12/F||||000000|香港|55550100
Chan Tai Man|Flat A, 12/F|||Kowloon|999077|HK|55550100
Wong Sio|Rua A 1|||||Macau|28550100
Omar Nasser|Villa 7, Al Wasl Rd||Dubai|||United Arab Emirates|+971 50 555 0100
Omar Nasser|Office 3|||Dubai|00000|AE|0505550100
Fahd Ali|Building 7, King Rd||Riyadh||12345-6789|Saudi Arabia|0555550100
Zoé Payet|3 Rue de la Gare||Saint-Denis||97400|Réunion|+262 262 55 01 00
Zoé Payet|3 Rue de la Gare||Saint-Denis||97400|FR|0262550100
Zoé Payet|3 Rue de la Gare||Pointe-à-Pitre||97110|Guadeloupe|0590550100
Luc Moana|PK 4||Papeete||98714|French Polynesia|40550100
Éloïse Lefèvre|« Le Pré » 5 Rue de l’Été||Paris||75 001|France|01 99 00 00 00
ÉLOÏSE LEFÈVRE|RÉSIDENCE «L’ÉTÉ»|“CAFÉ” 2|CHÂTEAUNEUF||F-06740|FRANCE|0199000000
Éloïse Lefèvre|5 Rue Neuve||Monte-Carlo||98000|Monaco|+377 99 99 00 00
Marie Tremblay|12 Rue Sainte-Catherine O||Montréal|QC|h3b1a7|Canada|514-555-0100
Marie Tremblay|12 Rue Sainte-Catherine||Québec|Quebec|G1R-4P5|CA|4185550100
Jörg Müßig|Größenstraße 5 ½||Köln||50667|Deutschland|+49 221 555010
Jörg Müßig|Straße des 17. Juni 1||Dresden|DE-SN|D-01067|Germany|0351 555010
JÖRG MÜSSIG|HÖHENWEG 3||MÖNCHENGLADBACH||D 41061|DE|0216155010
Uschi Ärmel|Hauptstr. 1–3||Öhringen|-|74613|DE|07941 5550
Reto Zürcher|Bahnhofstrasse 1||Zürich|ZH|CH-8001|Schweiz|044 555 01 00
Franz Öllinger|Wiedner Hauptstraße 1/2/3||Wien||A-1040|Österreich|01 5550100
Jan de Vries|Damrak 1||'s-Hertogenbosch||1234AB|Netherlands|06 5550 0100
Jan de Vries|'t Hof 5||'s-Gravenhage|Zuid-Holland|2511 aa|The Netherlands|0705550100
Els Peeters|Rue Haute 1||Bruxelles||B-1000|Belgium|02 555 01 00
Łukasz Żółć|ul. Święta 1/2||Łódź||00-001|Polska|+48 22 555 01 00
Łukasz Żółć|ul. Święta 1/2||Łódź||00 001|PL|225550100
Tomáš Kovář|Úžlabina 5||Praha||110 00|Czechia|+420 225 550 100
TOMÁŠ VÍŠEK|NA VÝŠINÁCH 7||BRNO||60200|Czech Republic|225550100
Zuzana Šášová|Úžiny 1||Košice||SK-04001|Slovakia|+421255550100
Šarūnas Žukas|Gedimino pr. 1||Vilnius||LT-01103|Lithuania|852550100
Jānis Bērziņš|Brīvības iela 1||Rīga||LV1010|Latvia|67550100
Åsa Öström|Kungsgatan 1||Göteborg||S-411 19|Sweden|031 55 01 00
Øyvind Ås|Storgata 1||Tromsø||0150|Norge|22 55 01 00
Aino Mäki|Mannerheimintie 1||Helsinki||FI-00100|Suomi|09 555 0100
Björk Jónsdóttir|Laugavegur 1||Reykjavík||101|Iceland|5550100
Nikos Pappas|Οδός Ερμού 1||Αθήνα||105 63|Greece|2105550100
Nuno Assunção|Rua da Irmã Dulce 1||São João da Madeira||3700-121|Portugal|225550100
Iñaki Núñez|C/ Mayor 1, 1ºD|Urb. «El Niño»|Sant Cel·loni|Barcelona|08470|España|935550100
Ana Ruiz|Calle Real 1||Ceuta||51001|Spain|956550100
Mario D'Angiò|Via Roma 1||L’Aquila|AQ|67100|Italia|0862550100
Mario Esposito|Via Roma 1||Napoli|NA|80100|IT|081550100
Mario Rossi|Via Roma 1||None|TO|10060|IT|011550100
Ana Marić|Ilica 1||Zagreb||10000|Croatia|015550100
Ion Țăran|Str. Lungă 1||București||010011|Romania|0215550100
Ayşe Öztürk|İstiklal Cd. 1||Şişli|İstanbul|34381|Türkiye|02125550100
Олена Коваль|вул. Хрещатик 1||Київ||01001|Ukraine|0445550100
Dana Levi|Herzl 1||Tel Aviv|||Israel|035550100
山田 太郎|丸の内１−１||千代田区|東京都|〒１００−０００５|日本|０３−５５５５−０１００
Taro Yamada|1-1 Marunouchi||Chiyoda-ku|JP-13|1000005|Japan|0355550100
김철수|세종대로 1||서울||04524|South Korea|02-5550-1000
Kim Chulsoo|1 Sejong-daero||Seoul||135-080|Korea, Republic of|0255501000
王小明|建国路1号|1单元|北京|北京市|100022|China|13555550100
Lin Mei|No. 1, Zhongshan Rd||Taipei||100-58|Taiwan, Province of China|0255501000
João Conceição|Av. Paulista 1000 – Apto 5||São Paulo|SP|01.310-100|Brasil|+55 11 5555 0100
JOÃO CONCEIÇÃO|RUA DA IRMÃ 1||JUNDIAÍ|SP|13201-000|Brazil|1155550100
José Peña|Calle 5 #10, Col. Centro||Ciudad de México|CDMX|06000|México|+52 55 5555 0100
Juan Soto|Av. Providencia 1||Santiago|RM||Chile|+56 2 5555 0100
Juan Soto|Calle 1 # 2-3||Bogotá|||Colombia|6015550100
Ana Gómez|Av. Corrientes 1||Buenos Aires|C|C1043AAA|Argentina|1155550100
Kylie Nguyen|Unit 5/12 Smith St||Darwin|NT|0800|Australia|08 5550 0100
Kylie Nguyễn|12 Smith St||Sydney|New South Wales|2000|AU|0255500100
Aroha Ngata|1 Queen St||Auckland||1010|New Zealand|095550100
Thandi Dlamini|1 Long St||Cape Town||8001|South Africa|0215550100
Asha Rao|12 MG Road||Bengaluru|KA|560 001|India|+91 80 5555 0100
Tan Ah Kow|Blk 1 #01-01||||018956|Singapore|65550100
Siti Aminah|1 Jalan Ampang||Kuala Lumpur||50450|Malaysia|0355500100
Nguyễn Văn A|1 Lê Lợi||Hồ Chí Minh|||Vietnam|02855500100
Jose Cruz|1 Ayala Ave||Makati|NCR|1226|Philippines|025550100
John Banda|1 Main Rd||Nairobi|||Kenya|0205550100
Peter Fox|1 Ross Road||Stanley||FIQQ 1ZZ|Falkland Islands|55010
"""
HELD = """
zip|Jane Roe|123 Main St||Boston|MA|SW1A 1AA|US|6175550100
zip|Jane Roe|123 Main St||Boston|MA|H3B 1A7|US|6175550100
zip|Jane Roe|123 Main St||Miami|FL|3310|US|6175550100
zip|Jane Roe|123 Main St||Miami|FL|00000|US|6175550100
zip|Jane Roe|123 Main St||Miami|FL|n/a|US|6175550100
street1|Jane Roe|-||Miami|FL|33101|US|6175550100
street1|Jane Roe|N/A|n/a|Miami|FL|33101|US|6175550100
city|Jane Roe|123 Main St||-|FL|33101|US|6175550100
city|Jane Roe|123 Main St||Bo?ton|MA|02155|US|6175550100
city|Jane Roe|123 Main St||Montr?al|QC|H3B 1A7|CA|6175550100
province|Jane Roe|123 Main St||Miami|N/A|33101|US|6175550100
recipient|.|123 Main St||Miami|FL|33101|US|6175550100
recipient|J*** R**|123 Main St||Miami|FL|33101|US|6175550100
street1|Jane Roe|1** M*** St||Miami|FL|33101|US|6175550100
street1|Jane Roe|[Redacted]||Miami|FL|33101|US|6175550100
street2|Jane Roe|12 Main St|***|Miami|FL|33101|US|6175550100
phone|Jane Roe|123 Main St||Miami|FL|33101|US|1.61756E+11
phone|Jane Roe|123 Main St||Miami|FL|33101|US|+1 617 *** **00
phone|Jane Roe|123 Main St||Miami|FL|33101|US|XXX-XXX-0100
recipient|JosÃ© Ruiz|Calle Real 1||Sevilla||41001|ES|955550100
recipient|GarcÃ\xada|Calle Real 1||Sevilla||41001|ES|955550100
recipient|GarcÃa|Calle Real 1||Sevilla||41001|ES|955550100
city|Ann Lee|Hauptstr. 1||KÃ¶ln||50667|DE|022155010
street1|Ann Lee|StraÃŸe 1||Bonn||53111|DE|022855010
street1|Ann Lee|12 Rue de lâ€™Orme||Paris||75001|FR|0155010000
city|Ann Lee|ul. Nowa 1||Å\x81Ã³dÅº||90-001|PL|425550100
city|Ann Lee|Main 1||ÐœÐ¾ÑÐºÐ²Ð°||101000|RU|4955550100
city|Ann Lee|Main 1||æ±äº¬|Tokyo|100-0001|JP|0355550100
city|Ann Lee|1 Elm St||Montr\ufffdal|QC|H3B 1A7|CA|5145550100
zip|Ann Lee|Hauptstr. 1||Dresden||1067|DE|035155010
zip|Ann Lee|Hauptstr. 1||Dresden||SW1A 1AA|DE|035155010
zip|Ann Lee|1 High St||London||33101|GB|02055501000
zip|Ann Lee|1 Rue A||Saint-Denis||SW1A 1AA|RE|0262550100
zip|Ann Lee|1 Main St||Dubai||SW1A 1AA|AE|0505550100
zip|Ann Lee|1 Main St||Dublin||BT1 1AA|IE|015550100
zip|Ann Lee|1 Rue A||Paris|||FR|0155010000
country|Ann Lee|1 Main St||Boston|MA|02155|Atlantis|6175550100
country|Ann Lee|1 Main St||Kinshasa|||Congo|6175550100
"""
FIELDS = ("Name", "Address1", "Address2", "City", "Province", "Zip", "Country", "Phone")


def rows(text):
    return [line.split("|") for line in text.strip().splitlines()]


def read_row(cells):
    row = {f"Shipping {field}": cell for field, cell in zip(FIELDS, cells, strict=True)}
    return read(table(SHOPIFY, {"Name": "#1", "Financial Status": "paid", **row, **SHOPIFY_LINE}))


@pytest.mark.parametrize("cells", rows(DELIVERABLE), ids="|".join)
def test_an_address_that_a_parcel_can_reach_is_not_held(cells):
    found = read_row(cells)

    assert [(each.field, each.problem) for each in found.problems] == []
    [entry] = found.orders
    assert entry.order.address.problems == ()


@pytest.mark.parametrize("row", rows(HELD), ids="|".join)
def test_an_address_that_no_parcel_can_reach_is_held(row):
    field, *cells = row

    found = read_row(cells)

    assert found.orders == ()
    assert [each.field for each in found.problems] == [f"address.{field}"]


def test_the_table_has_addresses_of_many_countries():
    countries = {
        entry.order.address.country for cells in rows(DELIVERABLE) for entry in read_row(cells).orders
    }
    assert len(countries) >= 60


def names():
    """Return the names of countries and cities in the languages of shops, as written and in capitals."""
    for language in ("en", *_LANGUAGES):
        locale = Locale.parse(language)
        cities = [zone["city"] for zone in locale.time_zones.values() if "city" in zone]
        for name in (*locale.territories.values(), *cities):
            yield from (name, name.upper())


def twice_encoded(name):
    return "".join(
        bytes([byte]).decode("cp1252") if byte not in b"\x81\x8d\x8f\x90\x9d" else chr(byte)
        for byte in name.encode()
    )


def test_no_name_of_a_place_is_taken_for_lost_and_each_is_that_is_encoded_twice():
    known = sorted(set(names()))
    assert len(known) > 20_000

    assert [name for name in known if value_problem(clean(name)[0], "city")] == []
    # Š becomes a letter and a blank, which is stripped at the end.
    lost = [twice_encoded(name) for name in known if not name.isascii() and not name.endswith("Š")]
    assert [name for name in lost if not value_problem(clean(name)[0], "city")] == []
