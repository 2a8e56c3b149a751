"""A checkout: quote the freight of a cart, check an order, place it exactly once, see where it stands.

Run it against a local KakaClo, each line in a shell of its own:

    kakaclo sandbox --index-lag 0 --log
    KAKACLO_BASE_URL=http://127.0.0.1:8700/openapi KAKACLO_TOKEN=sandbox-token uvicorn app:app

It needs `kakaclo[catalog]`, fastapi, and uvicorn or another server.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, TypeAlias, cast

from fastapi import Body, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from kakaclo_async import (
    Conflict,
    CreatedOrder,
    DeadlineExceeded,
    Family,
    FreightQuote,
    FreightRequest,
    InvalidRequest,
    KakaClo,
    KakaCloError,
    NewOrder,
    NotFound,
    OrderCheck,
    OutcomeUnknown,
    RateLimited,
    Rejected,
)
from kakaclo_async.ordering import Journal

STATUSES: dict[type[KakaCloError], int] = {
    InvalidRequest: 422,  # the customer's mistake
    NotFound: 404,
    Rejected: 409,  # KakaClo says no: sold out, no balance
    Conflict: 409,  # another order has this id
    RateLimited: 503,
    DeadlineExceeded: 503,  # KakaClo is slow, or others use the permits: try again
    OutcomeUnknown: 202,  # send the same order again: the journal finds out
}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    """Open one client for all requests: they share its permits, its connections and its cache."""
    # A sandbox in another container is spoken to by HTTP: say so in a setting of your own.
    allow_http = os.environ.get("SHOP_ALLOW_HTTP") == "1"
    # A customer does not wait for longer than this.
    async with KakaClo(timeout=10, max_wait=5, allow_http=allow_http) as app.state.kk:
        app.state.journal = Journal(os.environ.get("SHOP_JOURNAL", "sqlite:///orders.db"))
        yield


app = FastAPI(title="Checkout", lifespan=lifespan)


def client_of(request: Request) -> KakaClo:
    """Return the client of this process."""
    return cast("KakaClo", request.app.state.kk)


def journal_of(request: Request) -> Journal:
    """Return the journal; all processes share its database."""
    return cast("Journal", request.app.state.journal)


Client: TypeAlias = Annotated[KakaClo, Depends(client_of)]
Orders: TypeAlias = Annotated[Journal, Depends(journal_of)]


@app.exception_handler(KakaCloError)
async def explain(_: Request, error: Exception) -> JSONResponse:
    """Answer with the error as plain data: no token, address or phone number is in it."""
    known = (status for kind, status in STATUSES.items() if isinstance(error, kind))
    return JSONResponse(cast("KakaCloError", error).to_dict(), next(known, 502))


@app.post("/quote")
async def quote(cart: Annotated[FreightRequest, Body()], kk: Client) -> FreightQuote:
    """Quote the freight of a cart; equal carts share an answer for ten minutes."""
    return await kk.freight.quote(cart.items, cart.country)


@app.post("/check")
async def check(order: Annotated[NewOrder, Body()], kk: Client) -> OrderCheck:
    """Say what keeps an order from being placed, field by field, and what it would cost."""
    return await kk.orders.check(order)


@app.put("/orders/{number}")
async def place(number: str, order: Annotated[NewOrder, Body()], kk: Client, journal: Orders) -> CreatedOrder:
    """Place an order exactly once, however often the browser sends it: the shop's own number tells."""
    if order.custom_order_id != number:
        raise HTTPException(422, "custom_order_id must be the number in the address")
    return await kk.orders.submit(order, journal=journal)


@app.get("/orders/{number}")
async def show(number: str, kk: Client, journal: Orders) -> Family:
    """Show all orders that KakaClo made of it; one that was just placed shows after some minutes."""
    return await kk.orders.family(number, journal=journal)
