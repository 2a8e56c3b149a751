"""The KakaClo dropshipping Open API on asyncio."""

from kakaclo_async import public
from kakaclo_async.client import KakaClo as KakaClo
from kakaclo_async.public import *  # noqa: F403 - the list of public names is there
from kakaclo_async.public import __version__ as __version__

__all__ = sorted({"KakaClo", *public.NAMES})  # noqa: PLE0605 # pyright: ignore[reportUnsupportedDunderAll] - computed from the one list
