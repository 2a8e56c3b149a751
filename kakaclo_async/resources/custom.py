"""Custom products: models to print on, and the designs made of them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from kakaclo_async.codec import Undecodable, encode, to_millis, to_wire_time
from kakaclo_async.codec.scalars import InvalidValue, read_integer
from kakaclo_async.config import check_timeout
from kakaclo_async.errors import DeadlineExceeded, DecodeError, KakaCloError, OutcomeUnknown
from kakaclo_async.models._checks import check_codes
from kakaclo_async.models.common import Page
from kakaclo_async.models.custom import Design, DesignModel, DesignModelDetail, NewDesign
from kakaclo_async.paging.listing import Listing, readable
from kakaclo_async.protocol import Request, path, tolerant
from kakaclo_async.resources._lookup import check_number, look_up
from kakaclo_async.resources.orders.placing import checked
from kakaclo_async.resources.orders.requests import is_damaged, may_mean
from kakaclo_async.resources.products import Products
from kakaclo_async.retry import poll
from kakaclo_async.state import call_writes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
    from datetime import datetime

    from kakaclo_async.resources._journal import WriteJournal
    from kakaclo_async.sending import Sender


R = TypeVar("R", DesignModel, Design)

_NAMED: Final = "/v1/product/custom/modelCategoryName/search"
_CATEGORY_NAMES: Final = Request(method="GET", path=_NAMED, result=tuple[str, ...])
_ADD: Final = "/v1/product/custom/customDesigned/addProduct"
_MODELS: Final = "/v1/product/custom/designModel/search"
_DESIGNS: Final = "/v1/product/custom/customDesigned/search"
_MODEL: Final = "/v1/product/custom/designModel/detail/{}"
_PAGE_SIZE = 100  # rows, at most


@attrs.frozen(slots=True, kw_only=True)
class _Search:
    page_number: int
    page_size: int = _PAGE_SIZE
    last_updated_time: int | None = None
    model_codes: tuple[str, ...] | None = None


@attrs.frozen(slots=True, kw_only=True)
class _ModelSearch(_Search):
    category_names: tuple[str, ...] | None = None
    en_name: str | None = None


@attrs.frozen(slots=True, kw_only=True)
class _DesignSearch(_Search):
    spus: tuple[str, ...] | None = None
    search_content: str | None = None


class Custom:
    """`kk.custom`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def category_names(self) -> tuple[str, ...]:
        """Return the names of the categories that models come in; kept for a day.

        `GET /v1/product/custom/modelCategoryName/search`
        """
        return await look_up(self._sender, _CATEGORY_NAMES)

    def models(
        self,
        *,
        category_names: Iterable[str] | None = None,
        model_codes: Iterable[str] | None = None,
        updated_from: datetime | None = None,
        en_name: str | None = None,
    ) -> AsyncGenerator[DesignModel, None]:
        """Iterate over the models that fit, all of them by default.

        `POST /v1/product/custom/designModel/search`, 100 rows per request

        Args:
            category_names: only these categories.
            model_codes: only these models.
            updated_from: only what was updated since, an aware time.
            en_name: only names like this.
        """
        search = _ModelSearch(
            page_number=1,
            category_names=_texts(category_names, "category"),
            model_codes=_texts(model_codes, "model"),
            last_updated_time=None if updated_from is None else to_millis(updated_from),
            en_name=en_name,
        )
        return readable(_listing(self._sender, search, _MODELS, Page[DesignModel], "models"))

    async def model(self, model_id: int) -> DesignModelDetail:
        """Return one model with its sizes, weights and description; kept for a day.

        `GET /v1/product/custom/designModel/detail/{id}`
        """
        at = path(_MODEL, check_number(model_id, "model_id"))
        request = Request(method="GET", path=at, route=_MODEL, result=DesignModelDetail)
        return await look_up(self._sender, request)

    def designs(
        self,
        *,
        model_codes: Iterable[str] | None = None,
        spus: Iterable[str] | None = None,
        search_content: str | None = None,
        updated_from: datetime | None = None,
    ) -> AsyncGenerator[Design, None]:
        """Iterate over the shop's designs that fit, all of them by default.

        `POST /v1/product/custom/customDesigned/search`, 100 rows per request

        Args:
            model_codes: only designs on these models.
            spus: only these products.
            search_content: only what fits this text.
            updated_from: only what was updated since, an aware time.
        """
        search = _DesignSearch(
            page_number=1,
            model_codes=_texts(model_codes, "model"),
            spus=_texts(spus, "SPU"),
            last_updated_time=None if updated_from is None else to_millis(updated_from),
            search_content=search_content,
        )
        return readable(_listing(self._sender, search, _DESIGNS, Page[Design], "designs"))

    async def add_design(
        self,
        design: NewDesign,
        *,
        journal: WriteJournal | None = None,
        timeout: float | None = 900.0,  # noqa: ASYNC109 - the error says what is unknown
    ) -> Design:
        """Add a design and return it when it can be ordered: at most once, with a journal exactly once.

        KakaClo answers with an empty string: the design is found as the one that was not there before. With a
        journal equal designs are one, however often they are added.

        `POST /v1/product/custom/customDesigned/addProduct`, between searches of the designs

        Args:
            design: the model, and what is printed on it.
            journal: a `Journal`.
            timeout: seconds to wait until the design shows up, and again until it can be ordered; None: without end.

        Returns:
            The design; its SKUs are those of `products.get(design.spu)`.

        Raises:
            OutcomeUnknown: no clear answer came, or it was taken and did not show up in time; or it was added, as its
                `number` says, and without a journal the wait until it can be ordered was cut short.
            DeadlineExceeded: it was added, and cannot be ordered yet.
            DecodeError: it was added, and cannot be read.
        """
        check_timeout(timeout)
        if journal is None:
            number = await send_design(self._sender, design, encode(design), patience=timeout)
        else:
            number = await checked(journal).once(self._sender, design, timeout=timeout)
        try:
            added = await poll(
                lambda: self._orderable(design.model_id, number),
                lambda found: found is not None,
                timeout=timeout,
                too_late=lambda _: f"design {number} was added, and cannot be ordered",
            )
        except (KakaCloError, asyncio.CancelledError) as error:
            if journal is not None or isinstance(error, (DeadlineExceeded, DecodeError)):
                raise  # the journal knows, or the error says it itself
            what = f"design {number} was added, and may not be on sale yet ({error}): do not add it again"
            raise OutcomeUnknown(what, number=number) from error
        assert added is not None  # noqa: S101 - what poll waited for
        return added

    async def _orderable(self, model_id: str, number: str) -> Design | None:
        """Return a design if its product is on sale; one call."""
        sender = self._sender.for_call()
        designs = [row for row in await _designs_of(sender, model_id) if str(_number(row)) == number]
        if designs and isinstance(designs[0], Undecodable):
            why = f"was added, and cannot be read ({designs[0].problem})"
            raise DecodeError(why, where=f"design {number}")
        design = next((row for row in designs if isinstance(row, Design)), None)
        if design is None or design.spu is None:
            return None
        products = await Products(sender).get_many(spus=[design.spu])
        return design if products and products[0].sku_details else None


async def send_design(
    sender: Sender,
    design: NewDesign,
    body: bytes,
    *,
    patience: float | None,
    check_lease: Callable[[], None] = lambda: None,
    note: Callable[[str], Awaitable[None]] | None = None,
) -> str:
    """Add a design with one POST, wait until it shows up, and return its number.

    KakaClo answers with an empty string. So the designs that look the same already are noted before, and the number
    is that of the one that was not among them.

    Args:
        sender: searches and sends.
        design: what to add.
        body: the same as it is sent.
        patience: seconds to wait until it shows up; None for as long as it takes.
        check_lease: raises if the request must not leave any more; called when its permit is granted, and as it leaves.
        note: keeps a text durably, for a later look.
    """

    def build() -> Request[object]:
        check_lease()
        return Request(method="POST", path=_ADD, body=body, result=object, writes=True, check=check_lease)

    async def look() -> list[str]:
        seen = await alike(sender.for_call().bulk(urgent=True), design)
        return [number for number in seen.numbers if number not in before]

    there = await alike(call := sender.for_call(), design)
    before = [*there.numbers, *filter(None, there.doubtful)]
    if note is not None:
        await note(json.dumps({"before": before}))
    key = design_key(body)
    try:
        await call.send(build)
    except OutcomeUnknown as error:
        raise unknown_design(key, str(error.__cause__ or error), None) from error.__cause__
    try:
        if note is not None:
            await note(json.dumps({"before": before, "taken": True}))
        [number, *_] = await poll(look, bool, timeout=patience, too_late=lambda _: "it does not show up")
    except (KakaCloError, asyncio.CancelledError) as error:
        raise unknown_design(key, f"KakaClo took it, and it is not seen yet ({error})", None) from error
    if (notes := call_writes.get()) is not None:
        notes.done(number)
    return number


@attrs.frozen
class Alike:
    """The numbers of designs that look like a new one, oldest first, and of those that may; "" for one without."""

    numbers: tuple[str, ...]
    doubtful: tuple[str, ...]


async def alike(sender: Sender, design: NewDesign) -> Alike:
    """Look for the designs that look like a new one; one that cannot be read hides no other."""
    wanted = (design.en_name, design.image_url, design.back_image_url or "")
    numbers: list[int] = []
    doubtful: list[str] = []
    for row in await _designs_of(sender, design.model_id):
        shown, number = _look(row), _number(row)
        if number is not None and tuple(str(text or "") for text in shown) == wanted:
            numbers.append(number)
        elif all(not text or may_mean(text, one) for text, one in zip(shown, wanted, strict=True)):
            doubtful.append(str(number or ""))
    return Alike(tuple(map(str, sorted(numbers))), tuple(doubtful))


async def _designs_of(sender: Sender, model_id: str) -> Sequence[Design | Undecodable]:
    code = (await Custom(sender).model(int(model_id))).model_code
    codes = (code,) if code and not is_damaged(code) else None
    search = _DesignSearch(page_number=1, model_codes=codes)
    return await _listing(sender, search, _DESIGNS, Page[Design], "designs").all()


def _listing(
    sender: Sender, search: _Search, where: str, result: type[Page[R]], name: str
) -> Listing[R | Undecodable]:
    bulk = sender.bulk()

    async def read(number: int) -> Page[R | Undecodable]:
        body = encode(attrs.evolve(search, page_number=number))
        return await bulk.send(tolerant(Request(method="POST", path=where, body=body, result=result)))

    return Listing(name, read, _key)


def _look(row: Design | Undecodable) -> tuple[object, ...]:
    if isinstance(row, Design):
        return row.en_name, row.image_url, row.back_image_url
    return tuple(map(row.fields.get, ("enName", "imageUrl", "backImageUrl")))


def _number(row: Design | Undecodable) -> int | None:
    try:
        return row.id if isinstance(row, Design) else read_integer(row.fields.get("id"))
    except InvalidValue:
        return None


def design_key(body: bytes) -> str:
    """Return what errors, and a journal, know a design by: a hash of all of it."""
    return hashlib.sha256(body).hexdigest()[:32]


def unknown_design(key: str, why: str, settles_at: datetime | None) -> OutcomeUnknown:
    """Make the error for a design that may have been added."""
    then = "" if settles_at is None else f": it can be settled at {to_wire_time(settles_at)}"
    return OutcomeUnknown(
        f"design {key} may or may not have been added: {why}; look for it in custom.designs, or add it again"
        f" with the same journal{then}",
        settles_at=settles_at,
    )


def _key(row: DesignModel | Design | Undecodable) -> object:
    return row.key if isinstance(row, Undecodable) else row if row.id is None else row.id


def _texts(values: Iterable[str] | None, what: str) -> tuple[str, ...] | None:
    return None if values is None else check_codes(values, what)
