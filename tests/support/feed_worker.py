"""A process that follows a feed and posts its events; it kills itself where it is told to.

Arguments: the journal's URL, the sandbox's, its token, the receiver's URL, seconds that its clock is ahead, and the
number of the transaction in which it dies, before that is committed; 0: none.
"""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta

from kakaclo_async import KakaClo, RateLimit
from kakaclo_async.feed import Feed
from kakaclo_async.feed.webhook import Webhook
from kakaclo_async.ordering import Journal
from support.receiver import SECRET


async def main(url, base_url, token, receiver, ahead, fatal):
    def now():
        return datetime.now(UTC) + timedelta(seconds=float(ahead))

    journal, done = Journal(url, now=now), 0
    run = journal._database.run

    async def mortal(work, **options):
        nonlocal done
        done += 1
        mine = done

        def dying(connection):
            result = work(connection)
            if mine == int(fatal):
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return await run(dying, **options)

    journal._database.run = mortal
    feed = Feed(journal, now=now)
    async with KakaClo(token, base_url=base_url, rate_limit=RateLimit(100_000, 50_000.0)) as kk:
        await feed.follow(kk, 1.0, webhooks=[Webhook(receiver, SECRET)], stop_on_signals=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
