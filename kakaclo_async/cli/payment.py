"""The command `balance`."""

from kakaclo_async import KakaClo
from kakaclo_async.cli.output import Answer, Table


async def balance(kk: KakaClo) -> Answer:
    """Show the balance that orders are paid from, in US dollars."""
    found = await kk.payment.balance()
    raw = found.raw if found.amount is None else None
    return Answer(
        data={"amount": found.amount, "raw": found.raw},
        tables=(Table(("Balance", "Currency"), [(found.amount if raw is None else str(raw), "USD")]),),
    )
