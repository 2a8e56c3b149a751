from __future__ import annotations

import json
import re

import pytest

AREA = "/v1/product/custom"
MODELS, DESIGNS = f"{AREA}/designModel/search", f"{AREA}/customDesigned/search"


@pytest.fixture
def design():
    return {
        "modelId": "1",
        "enName": "Dinosaur Shirt",
        "imageUrl": "https://pictures.example/front.png",
        "backImageUrl": "https://pictures.example/back.png",
        "materialImages": [{"imageName": "aaa", "imageUrl": "https://pictures.example/m.png"}],
        "colorValue": "#A72525",
    }


async def test_models_have_the_fields_of_the_published_samples(http, sample):
    page = await http.post(MODELS, {})
    assert set(page["list"][0]) == set(sample("v1_custom_designModel_search")["data"]["list"][0])
    detail = await http.get(f"{AREA}/designModel/detail/{page['list'][0]['id']}")
    published = sample("v1_custom_designModel_detail")["data"]
    assert set(published) == set(detail)
    [sheet] = json.loads(detail["enSizeContent"])
    assert set(sheet) == {"sheet_name", "size"}
    assert [entry["name"] for entry in sheet["size"][0]["size_value"]] == [
        v["size"] for v in detail["variants"]
    ]
    assert detail["createDate"] > 10**12  # milliseconds


async def test_category_names_are_those_of_the_models(http):
    names = await http.get(f"{AREA}/modelCategoryName/search")
    models = (await http.post(MODELS, {"pageSize": 100}))["list"]
    assert names == sorted({model["categoryName"] for model in models})


async def test_models_come_twenty_to_a_page_and_a_hundred_at_most(http):
    first, second = [await http.post(MODELS, {"pageNumber": number}) for number in (1, 2)]
    assert (len(first["list"]), len(second["list"]), first["total"]) == (20, 20, 40)
    assert len({model["id"] for model in first["list"] + second["list"]}) == 40
    for wrong in ({"pageSize": 101}, {"pageSize": 0}, {"pageNumber": 0}):
        assert next(iter(wrong)) in await http.refusal("POST", MODELS, body=wrong)


async def test_models_are_filtered_by_everything_that_was_asked(http):
    models = (await http.post(MODELS, {"pageSize": 100}))["list"]
    some = models[7]
    filters = [
        ({"categoryNames": [some["categoryName"]]}, lambda m: m["categoryName"] == some["categoryName"]),
        ({"modelCodes": [some["modelCode"]]}, lambda m: m["modelCode"] == some["modelCode"]),
        ({"lastUpdatedTime": some["modifyDate"]}, lambda m: m["modifyDate"] >= some["modifyDate"]),
        ({"enName": some["enName"][2:9].upper()}, lambda m: some["enName"][2:9] in m["enName"]),
    ]
    for body, wanted in filters:
        found = (await http.post(MODELS, {"pageSize": 100, **body}))["list"]
        assert found == [model for model in models if wanted(model)]
    assert (await http.post(MODELS, {"modelCodes": ["NOPE"]}))["total"] == 0


@pytest.mark.parametrize("number", ["999", "x", "-1"])
async def test_an_unknown_model_is_refused_by_name(http, design, number):
    assert number in await http.refusal("GET", f"{AREA}/designModel/detail/{number}")
    body = {**design, "modelId": number}
    assert number in await http.refusal("POST", f"{AREA}/customDesigned/addProduct", body=body)


async def test_a_new_design_goes_on_sale_a_little_later(http, design, sample, order_body):
    assert await http.post(f"{AREA}/customDesigned/addProduct", design) == ""
    assert (await http.post(DESIGNS, {}))["list"] == []
    http.sandbox.skip(60)
    [found] = (await http.post(DESIGNS, {}))["list"]
    assert set(found) == set(sample("v1_custom_customDesigned_search")["data"]["list"][0])
    assert (found["enName"], found["orderCount"]) == ("Dinosaur Shirt", 0)
    [product] = (await http.get("/v1/product/products", spus=found["spu"]))["list"]
    assert product["price"] == found["price"]
    assert product["productName"] == "Dinosaur Shirt"
    assert json.loads(product["skuDetails"][0]["option1"])["value"] == "#A72525"
    sku = product["skuDetails"][0]["sku"]
    number = await http.post("/v2/order/orders", order_body((sku, 3)))
    assert str(number) in http.sandbox.ledger.orders
    assert (await http.post(DESIGNS, {}))["list"][0]["orderCount"] == 3
    assert (await http.get(f"{AREA}/designModel/detail/1"))["orderCount"] == 3
    assert found["spu"] in set(http.sandbox.catalog.spus())
    stock = (await http.get("/v1/product/stocks", skus=sku))["list"][0]["warehouseStockList"]
    assert [row["warehouseCode"] for row in stock] == ["G007"]


async def test_the_older_shape_has_texts_for_times_and_the_designs_number(http, design):
    await http.post(f"{AREA}/customDesigned/addProduct", design)
    http.sandbox.skip(60)
    newer = (await http.post(DESIGNS, {}))["list"][0]
    http.sandbox.old_custom_shape = True
    older = (await http.post(DESIGNS, {}))["list"][0]
    assert older["customDesignedId"] == str(newer["customDesignedId"])
    assert older["createDate"] == older["modifyDate"] == http.at(seconds=60).replace("T", " ").rstrip("Z")
    assert {name for name in newer if newer[name] != older[name]} == {
        "customDesignedId",
        "createDate",
        "modifyDate",
    }
    detail = await http.get(f"{AREA}/designModel/detail/1")
    assert re.fullmatch(r"[0-9-]{10} [0-9:]{8}", detail["createDate"])


async def test_designs_are_filtered_by_everything_that_was_asked(http, design):
    for number, name in (("1", "Dinosaur Shirt"), ("2", "Flower Shirt"), ("1", "Flower Two")):
        await http.post(f"{AREA}/customDesigned/addProduct", {**design, "modelId": number, "enName": name})
        http.sandbox.skip(60)
    rows = (await http.post(DESIGNS, {}))["list"]
    assert [row["enName"] for row in rows] == ["Flower Two", "Flower Shirt", "Dinosaur Shirt"]

    async def names(**body):
        return [row["enName"] for row in (await http.post(DESIGNS, body))["list"]]

    assert await names(searchContent="flower") == ["Flower Two", "Flower Shirt"]
    assert await names(spus=[rows[1]["spu"]]) == ["Flower Shirt"]
    assert await names(modelCodes=[rows[2]["modelCode"]]) == ["Flower Two", "Dinosaur Shirt"]
    assert await names(lastUpdatedTime=rows[0]["modifyDate"]) == ["Flower Two"]
    assert await names(pageNumber=2, pageSize=2) == ["Dinosaur Shirt"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"enName": ""}, "enName"),
        ({"imageUrl": ""}, "imageUrl"),
        ({"colorValue": "red"}, "colorValue"),
        ({"materialImages": [{"imageName": "a"}]}, "materialImages"),
    ],
)
async def test_a_design_that_is_not_right_is_refused(http, design, wrong, says):
    assert says in await http.refusal("POST", f"{AREA}/customDesigned/addProduct", body={**design, **wrong})


async def test_a_model_that_is_out_of_stock_takes_no_designs(http, design):
    assert (await http.get(f"{AREA}/designModel/detail/9"))["status"] == 4
    body = {**design, "modelId": "9"}
    assert "out of stock" in await http.refusal("POST", f"{AREA}/customDesigned/addProduct", body=body)
