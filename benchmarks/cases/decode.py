"""From the bytes of an answer to models: products as they come and with surprises, stock, orders.

Contenders read the same bytes in turns, page after page, as a pull goes through pages that share colours and sizes.
"""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
from harness import Bar, Case, Plot, Refused, Size, Taken, Watch
from made import pages
from rivals import plain, pydantic_models, structs

from kakaclo_async.models.common import Page
from kakaclo_async.models.order import Order
from kakaclo_async.models.product import Product, StockLevel
from kakaclo_async.protocol import Answer, Request, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.case import Contender

REQUESTS = {
    "product": Request(method="GET", path="/v1/product/products", result=Page[Product]),
    "stock": Request(method="GET", path="/v1/product/stocks", result=Page[StockLevel]),
    "order": Request(method="GET", path="/v2/order/orders", result=Page[Order]),
}
parse = msgspec.json.Decoder(float_hook=Decimal).decode

EACH_OPTION = "kakaclo, each option asked for"
QUICK = ("parse alone", "kakaclo", EACH_OPTION, "pydantic")
"""The contenders that a quick run has."""

Pages = list[bytes]
Readers = dict[str, "Callable[[bytes], Any]"]


def read(kind: str, body: bytes) -> Any:
    return read_answer(REQUESTS[kind], Answer(200, {}, body))


def read_with_options(body: bytes) -> None:
    """Read a page of products, and ask for each option, which is when it is read out of its text."""
    for product in read("product", body):
        for sku in product.sku_details:
            _ = sku.option1 and sku.option1.value, sku.option2 and sku.option2.value


def readers(kind: str) -> Readers:
    asked = {EACH_OPTION: read_with_options} if kind == "product" else {}
    return {
        "parse alone": parse,
        "kakaclo": partial(read, kind),
        **asked,
        "msgspec structs": structs.READERS[kind],
        "pydantic": pydantic_models.READERS[kind],
        "json and cattrs": plain.READERS[kind],
    }


def contender(read_page: Callable[[bytes], object]) -> Contender:
    def measure(bodies: tuple[Iterator[bytes], Pages], count: float) -> Taken:
        _, warm = bodies
        try:
            for body in warm:
                read_page(body)
        except Exception as error:  # noqa: BLE001 - each library has its own
            raise Refused(f"{type(error).__name__}: {str(error).splitlines()[0][:100]}") from None
        chosen = list(islice(bodies[0], int(count)))
        with Watch() as watch:
            for body in chosen:
                read_page(body)
        return watch.per(count, scale=1e3)

    return measure


def check_equal(body: bytes, readers: Readers) -> None:
    """Refuse to compare readers that read different things."""
    mine, plainly = readers["kakaclo"](body), readers["json and cattrs"](body)
    theirs, (structs_of, _) = readers["pydantic"](body).data.list, readers["msgspec structs"](body)
    assert list(mine) == list(plainly)
    for one, other, third in zip(mine, theirs, structs_of, strict=True):
        assert (one.spu, one.update_time) == (other.spu, other.update_time) == (third.spu, third.update_time)
        for sku, same, also in zip(one.sku_details, other.sku_details, third.sku_details, strict=True):
            assert numbers(sku) == numbers(same) == numbers(also)
            assert sku.option1.value == same.option1.value


def numbers(sku: Any) -> tuple[object, ...]:
    return sku.sku, sku.price, sku.cost, sku.stock, sku.sku_status


def endless(make: Callable[[int], bytes], *, distinct: bool) -> Iterator[bytes]:
    """Go round a handful of pages; or make a new one each time."""
    few = [make(seed) for seed in range(7)]
    seed = 7
    while True:
        yield from few
        if distinct:
            few = [make(seed + number) for number in range(7)]
            seed += 7


@contextmanager
def bodies(
    make: Callable[[int], bytes], equal: Readers, *, distinct: bool
) -> Iterator[tuple[Iterator[bytes], Pages]]:
    first = make(0)
    assert len(parse(first)["data"]["list"]) == 30
    if equal:
        check_equal(first, equal)
    yield endless(make, distinct=distinct), [first, make(1)]


def case(name: str, title: str, kind: str, make: Callable[[int], bytes], *bars: Bar, **more: Any) -> Case:
    distinct, all_read = more.pop("distinct", False), more.pop("all_read", False)
    readers_of = readers(kind) | more.pop("instead", {})
    return Case(
        name=f"decode-{name}",
        title=f"decoding, {title}",
        unit="ms of CPU for a page of 30",
        world=partial(bodies, make, readers_of if all_read else {}, distinct=distinct),
        contenders={who: contender(one) for who, one in readers_of.items()},
        base="parse alone",
        quick=Size(5, (7,), only=tuple(who for who in QUICK if who in readers_of)),
        full=Size(15, (210,)),
        bars=bars,
        plot=Plot(
            "decode", y="CPU over that of the parser alone", title="from the bytes of an answer to models"
        ),
        **more,
    )


def over_parse(most: float, guard: float | None = None, cause: str = "", who: str = "kakaclo") -> Bar:
    return Bar(who, over="parse alone", most=most, guard=guard, cause=cause)


CASES = (
    case(
        "typical", "products: as they come", "product", pages.page_document,
        over_parse(1.6, 2.1, "models and options are made in Python, one by one"), Bar(over="pydantic", most=0.6),
        over_parse(2.1, who=EACH_OPTION), all_read=True,
        note="30 products with 8 SKUs each. The package keeps unknown fields, reads attributes out of their texts, and "
        "takes damaged rows; structs and pydantic models drop what they do not know. An option of the package is read "
        "when its name or value is asked for; its second line asks for each.",
    ),
    case(
        "unknown", "products: unknown fields", "product", partial(pages.page_document, change=pages.add_fields),
        over_parse(1.8, 2.5, "each row with unknown fields gets a mapping of its own that keeps them"),
        over_parse(2.4, who=EACH_OPTION),
    ),
    case(
        "texts", "products: numbers as texts", "product", partial(pages.page_document, change=pages.number_texts),
        over_parse(2.2, 3.0, "each text is looked up; a new one passes the checks of what may be a number, in Python"),
        Bar(over="pydantic", most=0.6), over_parse(3.1, who=EACH_OPTION),
        instead={"msgspec structs": structs.lax_products}, all_read=True,
        note="Prices, costs and stock come as texts. msgspec is told not to be strict; pydantic and cattrs read such "
        "texts as they are.",
    ),
    case(
        "empty", "products: empty texts for numbers", "product", partial(pages.page_document, change=pages.empty_texts),
        over_parse(2.4), over_parse(2.6, who=EACH_OPTION), instead={"msgspec structs": structs.lax_products},
        note='The cost of each SKU is "". The package reads that as none.',
    ),
    case(
        "distinct", "products: every option distinct", "product", pages.distinct_options,
        over_parse(2.2, 3.5, "an option is looked up by its text, if that proves to be of use; a new one is made"),
        over_parse(6.6, who=EACH_OPTION), distinct=True,
        note="An option of the package is read when it is asked for; its second line asks for each of them.",
    ),
    case(
        "wrong", "products: a number for a text", "product", partial(pages.page_document, change=pages.text_numbers),
        over_parse(16), over_parse(18, who=EACH_OPTION),
        note="Such a page is read by the forgiving reader, a row at a time.",
    ),
    case("stock", "stock", "stock", pages.stock_document, over_parse(2.2), Bar(over="pydantic", most=0.8)),
    case("orders", "orders", "order", pages.orders_document, over_parse(2.7), Bar(over="pydantic", most=0.8)),
)  # fmt: skip
