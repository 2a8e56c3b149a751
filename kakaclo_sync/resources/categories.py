"""`kk.categories`, blocking."""

from __future__ import annotations

from kakaclo_async.resources import reference as categories
from kakaclo_sync.derive import Face, blocking


class Categories(Face[categories.Categories]):
    """`kk.categories`."""

    tree = blocking(categories.Categories.tree)
