"""Run sandboxes in a process of their own: prints where they are, and on each line of stdin the books of all."""

from __future__ import annotations

import asyncio
import json
import sys

from kakaclo_async.sandbox import Fault, Sandbox
from support.campaign import stock_up
from support.ordering import POST, RICH


async def main(names, late):
    opened = {name: Sandbox(**RICH | {"products": 30, "index_lag": 0}) for name in names}
    for sandbox in opened.values():
        await sandbox.__aenter__()
        stock_up(sandbox)
        sandbox.faults.add(Fault("delay", seconds=late, times=None, **POST))
    sku, *_ = next(iter(opened.values())).catalog.selling(pieces=5)
    tell({name: {"url": sandbox.url, "token": sandbox.token, "sku": sku} for name, sandbox in opened.items()})
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        tell(
            {name: [placed.custom_order_id for placed in sandbox.journal] for name, sandbox in opened.items()}
        )
    for sandbox in opened.values():
        await sandbox.__aexit__(None, None, None)


def tell(document):
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[2:], float(sys.argv[1])))
