"""`kk.custom`, blocking."""

from __future__ import annotations

from kakaclo_async.resources import custom
from kakaclo_sync.derive import Face, blocking, iterating


class Custom(Face[custom.Custom]):
    """`kk.custom`."""

    category_names = blocking(custom.Custom.category_names)
    models = iterating(custom.Custom.models)
    model = blocking(custom.Custom.model)
    designs = iterating(custom.Custom.designs)
    add_design = blocking(custom.Custom.add_design)
