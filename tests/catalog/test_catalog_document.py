"""docs/explain/catalog.md tells what is there: its diagram is the schema, and its queries run on indexes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import BigInteger, Boolean, Integer
from support.postgresql import needs_postgresql

from kakaclo_async.catalog.rows import ExactDecimal, UtcTime
from kakaclo_async.catalog.schema import metadata

DOCUMENT = (Path(__file__).parents[2] / "docs" / "explain" / "catalog.md").read_text()
[DIAGRAM] = re.findall(r"```mermaid\nerDiagram\n(.*?)```", DOCUMENT, re.DOTALL)
QUERIES = [
    query.strip()
    for block in re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)
    for query in re.sub(r" *--.*", "", block).split(";")
    if query.strip()
]


def kind(column):
    if isinstance(column.type, ExactDecimal):
        return "decimal"
    if isinstance(column.type, UtcTime):
        return "time"
    if isinstance(column.type, Boolean):
        return "boolean"
    return "integer" if isinstance(column.type, (BigInteger, Integer)) else "text"


def keys(column):
    return ", ".join(["PK"] * column.primary_key + ["FK"] * bool(column.foreign_keys))


def test_the_diagram_has_every_table_with_its_columns_and_keys():
    drawn = {
        table: [tuple(line.split(maxsplit=2)) for line in body.strip().splitlines()]
        for table, body in re.findall(r"^    (\w+) \{\n(.*?)^    \}", DIAGRAM, re.DOTALL | re.MULTILINE)
    }
    actual = {
        table.name: [
            tuple(filter(None, (kind(column), column.name, keys(column)))) for column in table.columns
        ]
        for table in metadata.tables.values()
    }
    assert drawn == actual


def test_the_diagram_draws_each_foreign_key_as_a_line_and_nothing_else():
    lines = re.findall(r"^    (\w+) \|\|--o\{ (\w+) :", DIAGRAM, re.MULTILINE)
    actual = [
        (key.column.table.name, table.name)
        for table in metadata.tables.values()
        for key in table.foreign_keys
    ]
    assert lines == actual


def test_there_are_queries_by_spu_category_status_stock_and_price():
    text = " ".join(QUERIES)
    assert all(f"{name}" in text for name in ("spu =", "category_id =", "spu_status", "stock", "price"))


@pytest.mark.parametrize("query", QUERIES)
async def test_every_query_of_the_document_searches_an_index_in_sqlite(query, shop, db, mirror_of):
    sandbox, kk = shop
    await mirror_of(sandbox, kk).run()

    plan = [detail for *_, detail in db.rows(f"EXPLAIN QUERY PLAN {query}")]

    assert plan
    assert [line for line in plan if line.startswith("SCAN")] == []


@needs_postgresql()
async def test_every_query_of_the_document_searches_an_index_in_postgresql(shop, pg, mirror_of):
    sandbox, kk = shop
    await mirror_of(sandbox, kk, pg.url).run()
    await pg.rows(f"ALTER DATABASE {pg.url.rpartition('/')[2]} SET enable_seqscan = off")  # tables are small

    for query in QUERIES:
        query = query.replace("CAST(price AS REAL)", "price")  # noqa: PLW2901 - what the document says of it
        plan = "\n".join(line for (line,) in await pg.rows(f"EXPLAIN {query}"))
        assert "Seq Scan" not in plan, plan
        assert "Index" in plan, plan
