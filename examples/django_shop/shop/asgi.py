"""The application for an ASGI server: Django, and a client that is open as long as the server runs.

    uvicorn shop.asgi:application

Django itself knows no lifespan, so it is answered here.
"""

import os

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django = get_asgi_application()

from kakaclo_async import ConfigurationError  # noqa: E402
from shop import clients  # noqa: E402 - it reads the settings


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Serve a request, or the life of the server."""
    if scope["type"] != "lifespan":
        await django(scope, receive, send)
        return
    await receive()
    try:
        async with clients.opened():
            await send({"type": "lifespan.startup.complete"})
            await receive()
    except ConfigurationError as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.shutdown.complete"})
