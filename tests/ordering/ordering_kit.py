"""What the tests of ordering share."""

from __future__ import annotations

from kakaclo_async import Address, ConfigurationError, KakaClo, RateLimit

POST = {"path": "/v2/order/orders", "method": "POST"}
UNLIMITED = RateLimit(100_000, 50_000.0)
ADDRESS = Address(
    country="US",
    province="Florida",
    recipient="Nobody Shall-See",
    phone="555 0100 999",
    street1="1 Secret St",
    city="Orlando",
)


class Killed(BaseException):
    """The worker is gone; nothing of it runs any more."""


def client(sandbox, **settings):
    return KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=UNLIMITED, **settings)


def kill_at(journal, number, when, *, error=None):
    """Let a worker die before or after its transaction of this number, counted from 1; or its database fail."""
    run, done = journal._database.run, 0

    async def mortal(work, **options):
        nonlocal done
        done += 1
        if done > number or (done == number and when == "before"):
            raise ConfigurationError(error) if error else Killed
        result = await run(work, **options)
        if done == number:
            raise ConfigurationError(error) if error else Killed
        return result

    journal._database.run = mortal
