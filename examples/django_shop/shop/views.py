"""Freight, stock and orders as JSON. Put your own authentication before them: whoever may call them spends money."""

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.deprecation import MiddlewareMixin
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from kakaclo_async import (
    Conflict,
    DeadlineExceeded,
    InvalidRequest,
    KakaCloError,
    NewOrder,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
)
from shop import clients

STATUSES: dict[type[KakaCloError], int] = {
    InvalidRequest: 422,  # the customer's mistake
    NotFound: 404,
    Rejected: 409,  # KakaClo says no: sold out, no balance
    Conflict: 409,  # another order has this id
    RateLimited: 503,
    DeadlineExceeded: 503,  # KakaClo is slow, or others use the permits: try again
    OutcomeUnknown: 202,  # send the same order again: the journal finds out
}


class Explain(MiddlewareMixin):
    """Answers with errors as plain data: no token, address or phone number is in them."""

    def process_exception(self, _: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer what a view raised; None leaves it to Django."""
        if isinstance(error, json.JSONDecodeError):
            return JsonResponse({"error": "JSONDecodeError", "text": str(error)}, status=400)
        if not isinstance(error, KakaCloError):
            return None
        known = (status for kind, status in STATUSES.items() if isinstance(error, kind))
        return JsonResponse(error.to_dict(), status=next(known, 502))


@require_POST
async def quote(request: HttpRequest, country: str) -> HttpResponse:
    """Quote the freight of a cart; equal carts share an answer for ten minutes."""
    found = await clients.asynchronous().freight.quote(json.loads(request.body), country)
    return JsonResponse(found.to_dict())


@require_GET
def stock(_: HttpRequest, sku: str) -> HttpResponse:
    """Show the pieces of a SKU by warehouse; views that wait at the same time share a request."""
    return JsonResponse(clients.blocking().stocks.get(sku).to_dict())


@require_http_methods(["PUT"])
def place(request: HttpRequest, number: str) -> HttpResponse:
    """Place an order exactly once, however often the browser sends it: the shop's own number tells."""
    order = NewOrder.from_dict(json.loads(request.body))
    if order.custom_order_id != number:
        raise InvalidRequest("custom_order_id must be the number in the address")
    created = clients.blocking().orders.submit(order, journal=clients.journal())
    return JsonResponse(created.to_dict())
