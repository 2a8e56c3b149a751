"""Payment: the balance that orders are paid from."""

from decimal import Decimal

import attrs


@attrs.frozen
class Balance:
    """What is left to pay orders from (`GET /v1/payment/balance`, whose answer is not documented).

    Attributes:
        amount: US dollars; None when the answer holds no number that is surely the balance.
        raw: the answer as plain JSON data.
    """

    amount: Decimal | None
    raw: object = attrs.field(default=None, eq=False, repr=False)
