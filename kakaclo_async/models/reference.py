"""What products and orders refer to: categories, warehouses, and the balance that orders are paid from."""

from collections.abc import Iterator
from decimal import Decimal

import attrs

from kakaclo_async.models.common import OpenIntEnum, Record


class WarehouseStatus(OpenIntEnum):
    """Whether a warehouse delivers."""

    DISABLED = 0
    ENABLED = 1


@attrs.frozen(kw_only=True)
class Category(Record):
    """A node of the category tree (`GET /v1/product/category`).

    Attributes:
        parent_id: 0 at the top.
        level: the depth in the tree.
        full_category_id: the ids from the top down to here: "3600/3516".
        child: the categories right below.
    """

    category_id: int | None = None
    name: str | None = None
    parent_id: int | None = None
    level: int | None = None
    full_category_id: str | None = None
    img_url: str | None = None
    child: tuple["Category", ...] = ()

    def walk(self) -> Iterator["Category"]:
        """Yield this category and all below it, parents first."""
        waiting: list[Category] = [self]
        while waiting:
            category = waiting.pop()
            yield category
            waiting.extend(reversed(category.child))


@attrs.frozen(kw_only=True)
class Warehouse(Record):
    """A warehouse (`GET /v1/product/countryAndWarehouse`).

    Attributes:
        warehouse_code: "G004".
        warehouse_name: removed from the API in 2023-04, still seen.
        warehouse_name_ext: the Chinese name.
        country_code: "CN", "US"; "CN_S" and "CN_N" before 2023-04.
        country_cn: the country's name.
    """

    warehouse_id: int | None = None
    warehouse_code: str | None = None
    warehouse_name: str | None = None
    warehouse_name_ext: str | None = None
    country_code: str | None = None
    country_cn: str | None = None
    status: WarehouseStatus | None = None


@attrs.frozen
class Balance:
    """What is left to pay orders from (`GET /v1/payment/balance`, whose answer is not documented).

    Attributes:
        amount: US dollars; None when the answer holds no number that is surely the balance.
        raw: the answer as plain JSON data.
    """

    amount: Decimal | None
    raw: object = attrs.field(default=None, eq=False, repr=False)
