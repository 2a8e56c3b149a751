"""What the calls of the fault matrix ask for, on either face: a shop behind a hostile server, a journal and a mirror."""

from __future__ import annotations

import asyncio

from support.shop import OpenShop

OWN = 20.0
"""Seconds of the waits that take a time of their own."""


class FaultShop(OpenShop):
    """The shop of one cell, with files of its own."""

    def __init__(self, face, world, folder, number):
        super().__init__(world.sandbox, number=number, own=OWN)
        self.face, self.world, self.folder = face, world, folder
        self.paid  # noqa: B018 - it is placed before the fault strikes

    @property
    def journal(self):
        """The journal of this cell, through an object of its own, as another process has it."""
        url = f"sqlite:///{self.folder}/journal-{self.number}.db"
        return self.face.Journal(url, quiet_time=60.0, now=self.world.now)

    def mirror(self, kk, **options):
        url = f"sqlite:///{self.folder}/mirror-{self.number}.db"
        return self.face.Mirror(kk.with_options(max_wait=30.0), url, now=self.world.now, **options)

    def follow(self, kk):
        """Follow through an outage that is over after three pauses, and stop when all is well."""
        pauses = 0

        async def sleep(seconds):
            nonlocal pauses
            pauses += 1
            await asyncio.sleep(seconds)
            if pauses == 3:
                await self.lift()
            if pauses == 6:
                mirror.stop()

        mirror = self.mirror(kk, sleep=sleep)
        return mirror.follow(60.0)
