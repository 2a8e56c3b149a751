"""The public calls of the client, read off its classes: a list that a test walks must have all of them."""

from __future__ import annotations

import inspect

from kakaclo_async import KakaClo
from kakaclo_async.resources import V1


def v1(kk):
    """Return the outdated area without its warning."""
    return V1(kk._sender)


def public_calls():
    """Return the names of all calls: "orders.create"."""
    kk = KakaClo("token")
    areas = {name: area for name, area in vars(kk).items() if not name.startswith("_")}
    areas |= {f"v1.{name}": area for name, area in vars(v1(kk)).items()}
    return {
        f"{name}.{method}"
        for name, area in areas.items()
        for method, _ in inspect.getmembers(type(area), inspect.isfunction)
        if not method.startswith("_")
    }
