"""A team of clients, one for each shop, that reads what all shops see alike: each request costs one of them a permit.

Which member reads a page makes no difference to a pull: they all ask one KakaClo.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Protocol, Self, TypeVar, cast

import attrs

from kakaclo_async import resources
from kakaclo_async.config import AsyncEntered, check_number
from kakaclo_async.errors import ConfigurationError, InvalidRequest, KakaCloError
from kakaclo_async.events import Broadcast, Event, Lane
from kakaclo_async.fleet.engine import log
from kakaclo_async.fleet.members import PATIENCE, Member, Members
from kakaclo_async.sending import Sender, sender_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from types import TracebackType

    from kakaclo_async.client import KakaClo
    from kakaclo_async.fleet.config.settings import FleetSettings, ShopSettings
    from kakaclo_async.ratelimit.gate import Permit
    from kakaclo_async.sending import MaybeLate

T = TypeVar("T")


@attrs.frozen(slots=True)
class _TeamSender(Sender):
    """Sends with whichever member has a permit first."""

    members: Members = attrs.field(kw_only=True, repr=False)

    async def send(
        self, request: MaybeLate[T], *, until: Callable[[], float] | None = None, permit: Permit | None = None
    ) -> T:
        """Send a request by one member, or by another where that fails for a reason of its own; see `Sender.send`."""
        if permit is not None or (not callable(request) and request.writes):
            raise InvalidRequest("a team only reads: what one shop does goes through its own client")
        return await self.members.send(request, until, self)


class Team(AsyncEntered):
    """Clients of several shops that share what all of them would read: the catalog, its stock, and reference data.

    Give it to a `Mirror` in place of a client, or use its areas: `products`, `stocks`, `categories` and `warehouses`.
    Each request goes out with the first permit that a member has, in turn, in the member's bulk lane: its own calls and
    its reserve come first. A member that is refused, away or out of order is left out for a minute, and one that is
    closed for good; its requests go to others, and only when all are out a request fails. The members stay yours: the
    team closes none.

    Args:
        clients: open clients of one KakaClo, each of another shop; by name, if events and the log shall name them.
        share: the part of a member's rate that the team takes at most while the member has calls of its own, above 0
            and up to 1.

    Raises:
        ConfigurationError: no clients; see also `join`.
    """

    def __init__(self, clients: Iterable[KakaClo] | Mapping[str, KakaClo], *, share: float = 0.75) -> None:
        check_number("share", share, above=0)
        if share > 1:
            raise ConfigurationError(f"share must be at most 1, not {share!r}")
        if isinstance(clients, Mapping):
            named = dict(cast("Mapping[str, KakaClo]", clients))
        else:
            named = {f"shop {number}": kk for number, kk in enumerate(clients, 1)}
        if not named:
            raise ConfigurationError("a team needs a client")
        self._share = share
        self._broadcast = Broadcast()
        one = next(iter(named.values()))
        self._address = one._base_url  # noqa: SLF001 - packages share privates
        # What sends is each member's own: of this state only what is learned of the catalog is used.
        state = attrs.evolve(sender_of(one).state, emit=self._broadcast)
        self._members = Members(state)
        state.shops = self._members.is_in
        options = attrs.evolve(sender_of(one).options, lane=Lane.BULK, max_wait_for_all=False)
        sender = _TeamSender(state, options, members=self._members)
        self._sender: Sender = sender
        self.products = resources.Products(sender)
        self.stocks = resources.Stocks(sender)
        self.categories = resources.Categories(sender)
        self.warehouses = resources.Warehouses(sender)
        for name, kk in named.items():
            self.join(kk, name)

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the members, those included that are left out for a while."""
        return tuple(sorted(self._members.all))

    def join(self, kk: KakaClo, name: str | None = None) -> str:
        """Take a client in, also while the team reads.

        Args:
            kk: the client of another shop.
            name: what events and the log call it; None: "shop 7", for the seventh.

        Returns:
            Its name.

        Raises:
            ConfigurationError: another member has this name, is a view of this client, or talks to another KakaClo.
        """
        own, members = sender_of(kk), self._members.all
        name = name or next(free for n in count(len(members) + 1) if (free := f"shop {n}") not in members)
        if name in members or any(own.state is member.sender.state for member in members.values()):
            raise ConfigurationError(f"{name} is in the team already")
        if kk._base_url != self._address:  # noqa: SLF001 - see above
            raise ConfigurationError(f"{name} talks to another KakaClo than the team: {self._address}")
        # Once it has met a 429, others are quicker.
        options = attrs.evolve(own.options, max_wait=PATIENCE, max_wait_for_all=True)
        sender = attrs.evolve(own, options=options).bulk()
        member = Member(name, sender, 1 / (self._share * own.state.rate))
        member.unsubscribe = kk.on_event(member.see)
        self._members.add(member)
        return name

    def leave(self, name: str) -> None:
        """Let a client go, also while the team reads; what it sends for the team comes to its end.

        Raises:
            KeyError: there is no member of this name.
        """
        self._members.remove(name)

    def on_event(self, callback: Callable[[Event], object]) -> Callable[[], None]:
        """Call `callback` with each `LeftOut`, `CameBack` and `PageDone`; requests are told by their clients.

        Returns:
            A function that ends the subscription.
        """
        return self._broadcast.subscribe(callback)

    async def aclose(self) -> None:
        """Let all members go: what waits ends with `ClientClosed`. The clients stay open."""
        for name in self.members:
            self.leave(name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Team of {len(self._members.all)}, {self._address}>"


class _Open(Protocol):
    """A shop that is open."""

    settings: ShopSettings
    kk: KakaClo


@attrs.define(eq=False)
class _Reading:
    """A team that reads what all shops share.

    Attributes:
        base_url: of its shops: a team reads from one KakaClo.
        team: of their clients.
        stack: keeps the shops open, those that have left included: they may have a request under way.
        members: those that are in it.
    """

    base_url: str | None
    team: Team
    stack: AsyncExitStack
    members: dict[str, _Open]


@attrs.define(eq=False)
class Readers:
    """The teams of a fleet that read now.

    Attributes:
        shop: opens a shop.
        paused: returns the names of the shops that are paused now.
    """

    shop: Callable[[str], AbstractAsyncContextManager[_Open]]
    paused: Callable[[], Awaitable[Collection[str]]]
    _readings: list[_Reading] = attrs.field(init=False, factory=list["_Reading"])
    _turn: int = attrs.field(init=False, default=0)
    _told: dict[str, str] = attrs.field(init=False, factory=dict[str, str])

    @asynccontextmanager
    async def team(self, settings: FleetSettings) -> AsyncGenerator[Team, None]:
        """Give a team of shops that reads what all share, each with permits that it can spare.

        They are half as many as may be open, so that those with orders stay open, too; others come next time.

        Raises:
            InvalidRequest: the fleet has no shops, or all are paused.
        """
        chosen = self._chosen(settings, set(await self.paused()))
        if not chosen:
            raise InvalidRequest("the fleet has no shops that may read: all are paused")
        async with AsyncExitStack() as stack:
            opened: dict[str, _Open] = {}
            failures: list[Exception] = []
            for name in chosen:
                try:
                    opened[name] = await stack.enter_async_context(self.shop(name))
                except Exception as error:  # noqa: BLE001 - whatever ails one shop, the others read
                    self._leave_out(name, error)
                    failures.append(error)
            if not opened:
                raise failures[0]
            clients = {name: shop.kk for name, shop in opened.items()}
            team = await stack.enter_async_context(Team(clients, share=settings.share))
            base_url = next(iter(opened.values())).settings.base_url
            reading = _Reading(base_url, team, stack, opened)
            self._readings.append(reading)
            try:
                yield team
            finally:
                self._readings.remove(reading)

    def _leave_out(self, name: str, error: Exception) -> None:
        why = str(error) if isinstance(error, KakaCloError) else type(error).__name__
        if self._told.get(name) != why:
            self._told[name] = why
            log.warning("shop %s does not read the shared catalog, for it cannot be opened: %s", name, why)

    def _chosen(self, settings: FleetSettings, paused: set[str]) -> list[str]:
        """Return the shops whose turn it is to read."""
        names, most = sorted(settings.shops.keys() - paused), _most(settings)
        first = self._turn * (1 if len(names) <= most else most) % max(1, len(names))
        self._turn += 1
        return [*names[first:], *names[:first]][:most]

    async def look(self, settings: FleetSettings) -> None:
        """Let the teams that read now have the shops that came or go on, and not those that are gone or paused."""
        if not self._readings:
            return
        paused = await self.paused()
        wanted = {name: shop for name, shop in settings.shops.items() if name not in paused}
        for reading in self._readings:
            for name in wanted.keys() - reading.members.keys():
                await self._join(reading, wanted[name], _most(settings))
            for name, shop in list(reading.members.items()):
                if wanted.get(name) != shop.settings:
                    del reading.members[name]
                    if name in reading.team.members:  # it leaves by itself when it is closed
                        reading.team.leave(name)
                    if name in wanted:
                        await self._join(reading, wanted[name], _most(settings))

    async def _join(self, reading: _Reading, settings: ShopSettings, most: int) -> None:
        if settings.base_url != reading.base_url or len(reading.members) >= most:
            return
        try:
            shop = await reading.stack.enter_async_context(self.shop(settings.name))
            reading.team.join(shop.kk, settings.name)
        except Exception as error:  # noqa: BLE001 - see `team`
            self._leave_out(settings.name, error)
            return
        reading.members[settings.name] = shop


def _most(settings: FleetSettings) -> int:
    """Return how many shops read at the same time."""
    return max(1, settings.keep_open // 2)
