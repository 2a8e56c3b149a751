"""`kk.products`, blocking."""

from __future__ import annotations

from kakaclo_async.resources import products
from kakaclo_sync.derive import Face, blocking, iterating, pulling_rows


class Products(Face[products.Products]):
    """`kk.products`."""

    get = blocking(products.Products.get)
    get_many = blocking(products.Products.get_many)
    page = blocking(products.Products.page)
    updated = pulling_rows(products.Products.updated)
    in_category = iterating(products.Products.in_category)
