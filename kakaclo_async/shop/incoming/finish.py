"""From an order of a file to an order to place: SKUs mapped, address ready, everything that is wrong named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

import attrs

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.address_checks import address_problems, is_cut, value_problem
from kakaclo_async.models.freight import ChannelType, Item
from kakaclo_async.models.new_order import Address, NewOrder
from kakaclo_async.resources.orders.check import read_order
from kakaclo_async.shop.addresses import make_ready
from kakaclo_async.shop.incoming.documents import read_object, text_problems
from kakaclo_async.shop.incoming.drafts import ADDRESS, CORE, Draft, Line, quantity_of
from kakaclo_async.shop.incoming.due import not_due, too_new
from kakaclo_async.shop.incoming.skus import name_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from kakaclo_async.shop.incoming.cells import Cells
    from kakaclo_async.shop.incoming.skus import SkuMap

_FASTER: Final = re.compile(
    r"express|expedit|priority|next.?day|second.?day|same.?day|overnight|rush|one.?day|two.?day|\b[12].?day",
    re.IGNORECASE,
)


@attrs.frozen(kw_only=True)
class Options:
    """What the user asked for; see `read_orders`."""

    sku_map: SkuMap | None
    phone: str | None
    ioss: str | None
    prefix: str
    older_than: timedelta | None
    channels: Mapping[str, str]
    now: Callable[[], datetime]


@attrs.define
class Outcome:
    """What became of an order of a file: an order to place, or none."""

    draft: Draft
    order: NewOrder | None = None
    item_lines: tuple[int, ...] = ()
    left_out: list[tuple[int, str, str]] = attrs.field(factory=list[tuple[int, str, str]])
    problems: list[tuple[int, str, str]] = attrs.field(factory=list[tuple[int, str, str]])
    notes: list[tuple[int, str, str]] = attrs.field(factory=list[tuple[int, str, str]])


@attrs.define
class _Basket:
    """The items of an order by KakaClo's SKU, each with the line where it first stands."""

    pieces: dict[str, int] = attrs.field(factory=dict[str, int])
    lines: dict[str, int] = attrs.field(factory=dict[str, int])


def finish_rows(draft: Draft, cells: Cells, options: Options) -> Outcome:
    """Finish an order whose rows are in a table."""
    out = Outcome(draft)
    dialect = cells.dialect
    ragged = any(len(row.cells) != len(cells.header) for row in draft.rows)
    not_due(draft, cells)
    if not draft.number and dialect.summaries:
        _leave_out(out, draft.items, "it has no order number")
        out.problems = draft.problems
        return out
    due = [item for item in draft.items if not item.reason]
    _leave_out(out, [item for item in draft.items if item.reason], "")
    if reason := draft.facts.get("not due", ""):
        out.left_out.append((draft.line, "", reason))
    elif due and _without_address(draft) and dialect.without_address:
        _leave_out(out, due, dialect.without_address)
        due = []
    elif due and options.older_than is not None:
        new = too_new(draft.facts.get("date", ""), options.older_than, options.now)
        if new:
            _leave_out(out, due, "too new")
            due = []
        elif new is None:
            draft.problems.append((draft.line, "date", "it cannot be read, and orders must have an age"))
    if not due and (out.left_out or ragged):
        # Of what is not due nothing needs to be right but its rows.
        out.problems = [problem for problem in draft.problems if ragged]
        return out
    basket = _fill(out, due, options.sku_map, strict=dialect.strict)
    out.problems = [*draft.problems, *out.problems]
    if not basket.pieces and out.left_out and not out.problems:
        return out
    out.notes += draft.notes
    if not draft.items:
        out.problems.append((draft.line, "items", "it has no item"))
    if not ragged:
        _build(out, basket, _document(draft, out, options, strict=dialect.strict), options)
    return out


def _leave_out(out: Outcome, items: list[Line], reason: str) -> None:
    out.left_out += [(item.line, item.sku, reason or item.reason) for item in items]
    if reason and not items:
        out.left_out.append((out.draft.line, "", reason))


def _without_address(draft: Draft) -> bool:
    return not any(draft.facts.get(name) for name in CORE)


def _fill(out: Outcome, due: list[Line], sku_map: SkuMap | None, *, strict: bool) -> _Basket:
    basket = _Basket()
    for item in due:
        field = f"items[{out.draft.items.index(item)}]"
        quantity, note, trouble = quantity_of(item)
        if note:
            out.notes.append((item.line, f"{field}.quantity", note))
        if trouble:
            out.problems.append((item.line, f"{field}.quantity", trouble))
        elif quantity <= 0 and not strict:
            out.left_out.append((item.line, item.sku, "nothing to ship: its quantity is 0"))
            continue
        elif quantity <= 0:
            out.problems.append((item.line, f"{field}.quantity", "it must be above 0"))
        if is_cut(item.sku):
            out.problems.append((item.line, f"{field}.sku", "a spreadsheet cut it: export the file again"))
        parts = {item.sku: 1} if sku_map is None and item.sku else _mapped(item, sku_map)
        if parts is None:
            name = name_of(item.title, item.variant)
            without = (
                "it is missing"
                if not item.sku and not name
                else f"a SKU is missing: write a row for {name[:120]!r} into a map of SKUs"
                if not item.sku
                else f"the map of SKUs does not have {item.sku[:64]!r}"
            )
            out.problems.append((item.line, f"{field}.sku", without))
        elif not parts:
            out.left_out.append((item.line, item.sku, "not KakaClo's, says the map of SKUs"))
        for sku, pieces in (parts or {}).items():
            basket.pieces[sku] = basket.pieces.get(sku, 0) + pieces * max(quantity, 0)
            basket.lines.setdefault(sku, item.line)
    return basket


def _mapped(item: Line, sku_map: SkuMap | None) -> dict[str, int] | None:
    parts = None if sku_map is None else sku_map.find(item.sku, item.title, item.variant)
    return None if parts is None else {part.sku: part.pieces for part in parts}


def _document(draft: Draft, out: Outcome, options: Options, *, strict: bool) -> dict[str, object]:
    """Return an order as plain data, all but its items."""
    facts = draft.facts
    fields: tuple[str, ...] = (*ADDRESS, "phone", "vat")
    given = {name: facts[name] for name in fields if name in facts}
    if (code := facts.get("ioss")) and "IOSS" in facts.get("ioss_name", "IOSS").upper():
        given["ioss"] = code
    if trouble := facts.get("no address"):
        out.problems.append((draft.line, "address", trouble))
    ready = make_ready(given, phone=options.phone, ioss=options.ioss, names=not strict)
    out.notes += [(draft.line, f"address.{field}", note) for field, note in ready.notes]
    out.problems += [
        (draft.line, f"address.{field}", problem) for field, problem in ready.problems if not trouble
    ]
    document: dict[str, object] = {
        name: facts[name] for name in ("channel_type", "remark", "sale_platform") if name in facts
    }
    if "channel_type" not in document:
        document["channel_type"] = _channel(facts.get("service", ""), draft, out, options)
    document["address"] = {name: value for name, value in ready.fields.items() if value}
    return document


def _channel(service: str, draft: Draft, out: Outcome, options: Options) -> str:
    for name, channel in options.channels.items():
        if service and name.strip().casefold() == service.casefold():
            return channel
    if _FASTER.search(service):
        out.notes.append(
            (
                draft.line,
                "channel_type",
                "the shop sold a faster delivery, and Standard is sent: map its service to a channel",
            )
        )
    return ChannelType.STANDARD.value


def _build(out: Outcome, basket: _Basket, document: dict[str, object], options: Options) -> None:
    """Make the order to place, or name all that is wrong with it."""
    draft = out.draft
    document["custom_order_id"] = f"{options.prefix}{draft.number}" if draft.number else None
    document["items"] = [{"sku": sku, "quantity": pieces} for sku, pieces in basket.pieces.items()]
    out.item_lines = tuple(basket.lines.values())
    named = {field for _, field, _ in out.problems}
    found = [] if _is_plain(document) else list(text_problems(document))
    order: NewOrder | None = None
    try:
        order = _order_of(document)
    except (InvalidRequest, TypeError):
        found += read_order(document)[1]
    for problem in found:
        place = re.match(r"items\[(\d+)\]", problem.field)
        line = out.item_lines[int(place[1])] if place and int(place[1]) < len(out.item_lines) else draft.line
        is_told = problem.field in named or (out.problems and problem.field in {"items", "address"})
        if not is_told and not ("address" in named and problem.field.startswith("address.")):
            out.problems.append((line, problem.field, problem.text))
            named.add(problem.field)
    named = {field for _, field, _ in out.problems}
    if order is not None:
        told = address_problems(order.address)
    else:  # what can be said of its parts all the same
        address = cast("Mapping[str, str]", document["address"])
        told = [(name, trouble) for name, value in address.items() if (trouble := value_problem(value))]
    out.problems += [
        (draft.line, f"address.{field}", trouble)
        for field, trouble in told
        if f"address.{field}" not in named
    ]
    out.order = None if out.problems else order


def _is_plain(document: Mapping[str, object]) -> bool:
    """Whether all texts of an order are on one line and printable, as nearly all are."""
    texts = [*document.values(), *cast("Mapping[str, object]", document["address"]).values()]
    return "".join(text for text in texts if isinstance(text, str)).isprintable()


def _order_of(document: Mapping[str, object]) -> NewOrder:
    rest = {name: value for name, value in document.items() if name not in {"address", "items"}}
    items = [Item(**line) for line in cast("list[dict[str, str | int]]", document["items"])]  # type: ignore[arg-type] # as above
    address = Address(**cast("dict[str, str]", document["address"]))
    return NewOrder(address=address, items=items, **cast("dict[str, str]", rest))


def finish_document(text: str, line: int, options: Options) -> Outcome:
    """Finish an order that is a JSON object in a line of its own."""
    document, trouble = read_object(text)
    number = document.get("custom_order_id")
    draft = Draft(number.strip() if isinstance(number, str) else "", line)
    out = Outcome(draft)
    if trouble is not None:
        out.problems.append((line, trouble.field, trouble.text))
        return out
    if not draft.number:
        out.problems.append((line, "custom_order_id", "missing"))
    elif trouble_of_number := value_problem(draft.number):
        out.problems.append((line, "custom_order_id", trouble_of_number))
    document = _with_ready_address(document, out, options)
    found = [*text_problems(document)]
    order, wrong = read_order({**document, "custom_order_id": draft.number or None})
    named = {field for _, field, _ in out.problems}
    out.problems += [
        (line, problem.field, problem.text) for problem in (*found, *wrong) if problem.field not in named
    ]
    if order is not None and not out.problems:
        draft.items = [Line(line, item.sku, quantity=str(item.quantity)) for item in order.items]
        basket = _fill(out, draft.items, options.sku_map, strict=True)
        if basket.pieces or out.problems:
            rest = {
                name: value for name, value in document.items() if name not in {"items", "custom_order_id"}
            }
            _build(out, basket, rest, options)
    return out


def _with_ready_address(document: dict[str, object], out: Outcome, options: Options) -> dict[str, object]:
    given = document.get("address")
    if not isinstance(given, Mapping):
        return document
    address = cast("Mapping[str, object]", given)
    texts = {
        name: value.strip() for name, value in address.items() if isinstance(value, str) and value.strip()
    }
    if len(texts) < sum(value is not None and value != "" for value in address.values()):
        return document  # something in it is no text
    ready = make_ready(texts, phone=options.phone, ioss=options.ioss, names=False)
    more = {name: value for name, value in texts.items() if name not in attrs.fields_dict(Address)}
    out.notes += [(out.draft.line, f"address.{field}", note) for field, note in ready.notes]
    out.problems += [(out.draft.line, f"address.{field}", problem) for field, problem in ready.problems]
    return {**document, "address": {name: value for name, value in {**ready.fields, **more}.items() if value}}
