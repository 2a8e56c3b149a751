"""Custom products: models to print on, and the designs made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from kakaclo_async.codec import encode, to_millis
from kakaclo_async.models.common import Page
from kakaclo_async.models.custom import Design, DesignModel, DesignModelDetail, NewDesign
from kakaclo_async.paging.listing import Listing
from kakaclo_async.protocol import Request, path
from kakaclo_async.resources._checks import check_codes, check_number
from kakaclo_async.resources._polling import poll
from kakaclo_async.resources.design_writes import DesignWrites, Unrecorded, design_key
from kakaclo_async.resources.products import Products

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from datetime import datetime

    from kakaclo_async.resources.writes import WriteJournal
    from kakaclo_async.sending import Sender


R = TypeVar("R", DesignModel, Design)

_CATEGORY_NAMES: Final = Request(
    method="GET", path="/v1/product/custom/modelCategoryName/search", result=tuple[str, ...]
)
_PAGE_SIZE = 100
"""The most rows that one page of a search holds."""


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
        return await self._sender.look_up(_CATEGORY_NAMES)

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
            last_updated_time=_millis(updated_from),
            en_name=en_name,
        )
        where = "/v1/product/custom/designModel/search"
        return self._listing(search, where, Page[DesignModel], "models").rows()

    async def model(self, model_id: int) -> DesignModelDetail:
        """Return one model with its sizes, weights and description; kept for a day.

        `GET /v1/product/custom/designModel/detail/{id}`
        """
        where = path("/v1/product/custom/designModel/detail/{}", check_number(model_id, "model_id"))
        return await self._sender.look_up(Request(method="GET", path=where, result=DesignModelDetail))

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
            last_updated_time=_millis(updated_from),
            search_content=search_content,
        )
        where = "/v1/product/custom/customDesigned/search"
        return self._listing(search, where, Page[Design], "designs").rows()

    async def add_design(
        self,
        design: NewDesign,
        *,
        journal: WriteJournal | None = None,
        timeout: float | None = 900.0,  # noqa: ASYNC109 - the error says what is in doubt
    ) -> Design:
        """Add a design and return it when it can be ordered: at most once, with a journal exactly once.

        KakaClo answers with an empty string: the design is found as the one that was not there before. With a
        journal equal designs are one, whoever adds them how often.

        `POST /v1/product/custom/customDesigned/addProduct`, between searches of the designs

        Args:
            design: the model, and what is printed on it.
            journal: a `Journal`.
            timeout: seconds to wait until the design shows up, and again until it can be ordered; None for as long
                as it takes.

        Returns:
            The design; its SKUs are those of `products.get(design.spu)`.

        Raises:
            OutcomeUnknown: no clear answer came, or it was taken and did not show up in time.
            DeadlineExceeded: it was added, and cannot be ordered yet.
        """
        writes, payload = DesignWrites(self, timeout), encode(design)
        key = design_key(payload)
        if journal is None:
            number = await writes.send(Unrecorded(key, payload))
        else:
            number = await journal.once(writes, key, payload, timeout=timeout)
        added = await poll(
            lambda: self._orderable(design.model_id, number),
            lambda found: found is not None,
            timeout=timeout,
            too_late=lambda _: f"design {number} was added, and cannot be ordered",
        )
        assert added is not None  # noqa: S101 - what poll waited for
        return added

    async def _orderable(self, model_id: str, number: str) -> Design | None:
        """Return a design if its product is on sale."""
        model = await self.model(int(model_id))
        codes = None if model.model_code is None else [model.model_code]
        designs = [design async for design in self.designs(model_codes=codes) if str(design.id) == number]
        if not designs or designs[0].spu is None:
            return None
        products = await Products(self._sender).get_many(spus=[designs[0].spu])
        return designs[0] if products and products[0].sku_details else None

    def _listing(self, search: _Search, where: str, result: type[Page[R]], name: str) -> Listing[R]:
        sender = self._sender.bulk()

        async def read(number: int) -> Page[R]:
            body = encode(attrs.evolve(search, page_number=number))
            return await sender.send(Request(method="POST", path=where, body=body, result=result))

        return Listing(name, read, _id)


def _id(row: DesignModel | Design) -> object:
    return row.id


def _texts(values: Iterable[str] | None, what: str) -> tuple[str, ...] | None:
    return None if values is None else check_codes(values, what)


def _millis(time: datetime | None) -> int | None:
    return None if time is None else to_millis(time)
