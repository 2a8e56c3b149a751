"""What a preflight of an order found."""

from decimal import Decimal

import attrs

from kakaclo_async.models.freight import FreightQuote


@attrs.frozen
class OrderProblem:
    """Something that keeps an order from being placed.

    Attributes:
        field: where: "address.phone", "items[0].quantity", "channel_type", "balance".
        text: what is wrong, and with which SKU; never an address.
    """

    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"


@attrs.frozen(kw_only=True)
class OrderCheck:
    """What a preflight found; amounts in US dollars.

    Attributes:
        problems: all of them; none: the order can be placed as things stand.
        sub_total: the price of all pieces; None while some price is not known.
        quote: freight by channel type; None when it could not be asked.
        freight: for the order's own channel type.
        balance: what orders are paid from.
    """

    problems: tuple[OrderProblem, ...]
    sub_total: Decimal | None = None
    quote: FreightQuote | None = None
    freight: Decimal | None = None
    balance: Decimal | None = None

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    @property
    def total(self) -> Decimal | None:
        """What the order will cost; None when a part of it is not known."""
        return None if self.sub_total is None or self.freight is None else self.sub_total + self.freight
