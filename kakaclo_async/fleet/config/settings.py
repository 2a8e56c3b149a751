"""The settings of a fleet: `fleet.toml` and the files that it includes, checked as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

import attrs

from kakaclo_async.errors import ConfigurationError
from kakaclo_async.fleet.config.checks import (
    Problem,
    amount,
    duration,
    part,
    switch,
    table,
    text,
    url_problem,
    webhook_problem,
    whole,
    within,
    word,
)
from kakaclo_async.fleet.values import CATALOG, KINDS, why_no_name
from kakaclo_async.token import token_from
from kakaclo_async.transport.endpoint import choose_base_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from decimal import Decimal

    from kakaclo_async.fleet.values import Kind


T = TypeVar("T")

_PLACES: Final = ("env", "file", "keyring", "cmd")
_Readers: TypeAlias = dict[str, Callable[[object], object]]


@attrs.frozen(kw_only=True)
class ShopSettings:
    """A shop of a fleet, as `[shop.NAME]` has it.

    Attributes:
        name: of the shop.
        token: where its token is; not the token.
        base_url: of the API, instead of KakaClo's.
        allow_http: whether to speak plain HTTP to a sandbox elsewhere.
        rate: requests per second that it may send.
        burst: requests that it may send at once.
        reserve: permits that are kept for interactive calls.
        timeout: seconds for one call.
        quiet_time: as its journal takes it; so `lease`.
        at_once: orders placed at the same time.
        balance_below: dollars from where on a low balance is told of; None: never.
        paused: whether it has no turns.
    """

    name: str
    token: str = attrs.field(repr=False)
    base_url: str | None = None
    allow_http: bool = False
    rate: float = 2.0
    burst: int = 120
    reserve: int = 20
    timeout: float = 30.0
    quiet_time: float = 600.0
    lease: float = 60.0
    at_once: int = 4
    balance_below: Decimal | None = None
    paused: bool = False


@attrs.frozen(kw_only=True)
class FleetSettings:
    """A fleet, as `[fleet]` has it.

    Attributes:
        folder: of the file; what is relative is relative to it.
        engine: "local", or the URL of a PostgreSQL database.
        bucket: the URL of Redis; None: each process counts for itself.
        home: the URL of a shop's database, with `{shop}` in it.
        catalog: "shared" or "own".
        share: the part of a busy shop's rate that the shared catalog's mirror takes at most.
        mirror_every: seconds from the start of one cycle of a mirror to the next; `watch_every` likewise, of watching.
        orders_every: the same for looking after orders that nobody rang for.
        workers: whether there are several; only PostgreSQL's engine takes them.
        at_once: turns of one worker at the same time.
        keep_open: shops that one worker keeps open.
        tick: seconds between two looks at the table of shops and at these files.
        beat: seconds between two signs of life of a worker.
        dead: seconds without one after which a worker is taken for dead.
        webhook: a URL that each event of the feeds is posted to; None: none.
        keep_days: days after which the feeds drop events that everybody has had; None: they keep them.
        webhook_secret: where the secret is that signs these posts; not the secret.
        shops: by name.
    """

    folder: Path
    engine: str = attrs.field(default="local", repr=False)
    bucket: str | None = attrs.field(default=None, repr=False)
    home: str = attrs.field(default="sqlite:///shops/{shop}", repr=False)
    catalog: str = "shared"
    share: float = 0.75
    mirror_every: float = 300.0
    watch_every: float = 60.0
    orders_every: float = 60.0
    workers: int = 0
    at_once: int = 20
    keep_open: int = 100
    tick: float = 2.0
    beat: float = 5.0
    dead: float = 15.0
    keep_days: float | None = None
    webhook: str | None = attrs.field(default=None, repr=False)
    webhook_secret: str | None = attrs.field(default=None, repr=False)
    shops: Mapping[str, ShopSettings] = attrs.field(factory=dict[str, ShopSettings])

    @property
    def is_local(self) -> bool:
        """Whether one process serves the fleet, without an engine."""
        return self.engine == "local"

    @property
    def every(self) -> Mapping[Kind, float]:
        """The seconds from one turn of a kind to the next, at most."""
        return {"mirror": self.mirror_every, "orders": self.orders_every, "watch": self.watch_every}


def turns_of(settings: FleetSettings) -> Iterator[tuple[str, Kind]]:
    """Yield the turns of a fleet: each shop with each kind that it has."""
    for shop in settings.shops:
        for kind in KINDS:
            if kind != "mirror" or settings.catalog == "own":
                yield shop, kind
    if settings.shops and settings.catalog == "shared":
        yield CATALOG, "mirror"


_FLEET: Final[_Readers] = {
    "engine": text,
    "bucket": text,
    "home": text,
    "catalog": word("shared", "own"),
    "share": part,
    "mirror_every": duration,
    "watch_every": duration,
    "orders_every": duration,
    "workers": whole(1, 10_000),
    "at_once": whole(1, 1000),
    "keep_open": whole(1, 100_000),
    "tick": duration,
    "beat": duration,
    "dead": duration,
    "keep_days": within(0.01, 36_500),
    "webhook": text,
    "webhook_secret": text,
}
_SHOP: Final[_Readers] = {
    "token": text,
    "base_url": text,
    "allow_http": switch,
    "rate": within(0.001, 100_000),
    "burst": whole(1, 1_000_000),
    "reserve": whole(0, 1_000_000),
    "timeout": duration,
    "quiet_time": duration,
    "lease": duration,
    "at_once": whole(1, 1000),
    "balance_below": amount,
    "paused": switch,
}


def read_settings(
    path: Path, documents: list[tuple[Path, dict[str, Any]]], problems: list[Problem]
) -> FleetSettings | None:
    """Return the settings of a fleet, or None and what is wrong with them.

    Args:
        path: of the fleet's own file.
        documents: what it and those that it includes hold.
        problems: what is wrong is added here.
    """
    fleet: dict[str, object] = {}
    shops: dict[str, ShopSettings] = {}
    places: dict[str, str] = {}
    for place, document in documents:
        allowed = {"include", "fleet", "shop"} if place == path else {"shop"}
        for key in table(document, dict.fromkeys(allowed), place.name, "", problems):
            if key == "fleet":
                fleet = _read(document[key], _FLEET, place.name, "fleet", problems)
        for name, values in _shops(document, place.name, problems):
            if name in shops:
                problems.append(Problem(place.name, f"shop.{name}", f"stands in {places[name]}, too"))
                continue
            shop = _shop(name, values, place, problems)
            if shop is not None:
                shops[name], places[name] = shop, place.name
    if "webhook_secret" in fleet:
        fleet["webhook_secret"] = _beside(path, str(fleet["webhook_secret"]))
    _check_fleet(fleet, path.name, problems)
    if not problems and fleet.get("catalog", "shared") == "shared" and (two := _of_two_places(shops)):
        why = f"the shops {two[0]} and {two[1]} have another base_url each, and so may have another catalog"
        problems.append(Problem(path.name, "fleet.catalog", f'must be "own": {why}'))
    if problems:
        return None
    return FleetSettings(folder=path.parent, shops=shops, **cast("Any", fleet))


def _of_two_places(shops: Mapping[str, ShopSettings]) -> tuple[str, str] | None:
    """Return two shops that do not talk to the same KakaClo."""
    places = {choose_base_url(None, shop.base_url, allow_http=True): name for name, shop in shops.items()}
    first, *others = sorted(places.values()) or [""]
    return (first, others[0]) if others else None


def _shops(
    document: Mapping[str, object], place: str, problems: list[Problem]
) -> Iterator[tuple[str, object]]:
    shops = document.get("shop", {})
    if not isinstance(shops, dict):
        problems.append(Problem(place, "shop", "must be tables: [shop.NAME]"))
        return
    for name, values in cast("dict[str, object]", shops).items():
        if (why := why_no_name(name)) is not None:
            problems.append(Problem(place, "shop", why))
            continue
        yield name, values


def _shop(name: str, values: object, place: Path, problems: list[Problem]) -> ShopSettings | None:
    key, before = f"shop.{name}", len(problems)
    found = _read(values, _SHOP, place.name, key, problems)
    token = found.get("token")
    if "token" not in found:
        if len(problems) == before:
            problems.append(Problem(place.name, f"{key}.token", "is missing: say where it is, as env:NAME"))
        return None
    found["token"] = _beside(place, str(token))
    if why := _place_problem(str(found["token"])):
        problems.append(Problem(place.name, f"{key}.token", why))
    if (url := found.get("base_url")) and (
        why := url_problem(str(url), allow_http=bool(found.get("allow_http")))
    ):
        problems.append(Problem(place.name, f"{key}.base_url", why))
    return ShopSettings(name=name, **cast("Any", found)) if len(problems) == before else None


def _beside(file: Path, source: str) -> str:
    """Return where a secret is: a file's path is relative to the file that names it."""
    kind, _, where = source.partition(":")
    return f"file:{file.parent / Path(where).expanduser()}" if kind == "file" and where else source


def _place_problem(source: str) -> str | None:
    kind, _, where = source.partition(":")
    if kind not in _PLACES or not where.strip():
        return (
            "must be a place, env:NAME, file:/path, keyring:service/name or cmd:program, and no secret itself"
        )
    try:
        token_from(source)
    except ConfigurationError as error:
        return str(error)
    return None


def _read(
    values: object, readers: _Readers, place: str, key: str, problems: list[Problem]
) -> dict[str, object]:
    if not isinstance(values, dict):
        problems.append(Problem(place, key, "must be a table"))
        return {}
    found: dict[str, object] = {}
    given = cast("dict[str, object]", values)
    for name in table(given, readers, place, key, problems):
        try:
            found[name] = readers[name](given[name])
        except ValueError as error:
            problems.append(Problem(place, f"{key}.{name}", str(error)))
    return found


def _check_fleet(fleet: Mapping[str, object], place: str, problems: list[Problem]) -> None:
    engine, bucket = str(fleet.get("engine", "local")), str(fleet.get("bucket", ""))
    home = str(fleet.get("home", "sqlite:///shops/{shop}"))
    is_local, workers = engine == "local", fleet.get("workers")

    def tell(key: str, what: str) -> None:
        problems.append(Problem(place, f"fleet.{key}", what))

    if not is_local and not engine.startswith(("postgresql://", "postgres://")):
        tell("engine", 'must be "local", or postgresql://...')
    if bucket and not bucket.startswith(("redis://", "rediss://", "unix://")):
        tell("bucket", "must be redis://...")
    if not is_local and workers != 1 and not bucket:
        why = "is missing: several workers share each shop's bucket in Redis, redis://...; or say workers = 1"
        tell("bucket", why)
    if is_local and workers not in {None, 1}:
        tell("workers", "must be 1: the local engine has one worker; several need engine = postgresql://...")
    if home.startswith("sqlite:///"):
        if "{shop}" not in home:
            tell("home", "must have {shop} in it: each shop has files of its own")
        if not is_local and workers != 1:
            tell(
                "home",
                "must be postgresql://..., which the workers of several machines share, or workers = 1",
            )
    elif not home.startswith(("postgresql://", "postgres://")):
        tell("home", "must be sqlite:///folder/{shop}, or postgresql://...")
    if ("webhook" in fleet) != ("webhook_secret" in fleet):
        tell(
            "webhook", "and webhook_secret belong together: the second says where the secret is, as env:NAME"
        )
    if "webhook" in fleet and (problem := webhook_problem(str(fleet["webhook"]))):
        tell("webhook", problem)
    if "webhook_secret" in fleet and (problem := _place_problem(str(fleet["webhook_secret"]))):
        tell("webhook_secret", problem)
    dead, beat = float(cast("float", fleet.get("dead", 15.0))), float(cast("float", fleet.get("beat", 5.0)))
    if dead < 2 * beat:
        tell("dead", "must be twice `beat` at least")
