"""Validators of the request models: a documented limit that is broken costs a sentence, not a permit.

No sentence repeats a text, codes apart: it may be an address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from kakaclo_async.errors import InvalidRequest, without_frames
from kakaclo_async.models.address_checks import COUNTRIES, NAMES, name_key
from kakaclo_async.travel import Travels, read, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import attrs

    # attrs types a field by what it holds, invariantly; these validators fit fields of any type.
    Field = attrs.Attribute[Any]
    Validator = Callable[[object, Field, object], None]


T = TypeVar("T")
M = TypeVar("M", bound=Travels)

_COUNTRY: Final = re.compile(r"[A-Z]{2}(?:_[A-Z0-9]{1,9})?")
_COUNTRY_LENGTH = 12
_CODE_LENGTH = 64
WAREHOUSE_LENGTH: Final = 32
_QUANTITY_DIGITS: Final = 16  # "int[16]" in the documents


def without_locals(kind: type[T]) -> type[T]:
    """Let the errors of making one bring no frame along that holds what it was given: it may be an address."""
    make = cast("Callable[..., None]", kind.__init__)

    @wraps(make)
    def init(self: T, *given: object, **fields: object) -> None:
        try:
            return make(self, *given, **fields)
        except InvalidRequest as error:
            refusal = without_frames(error)
        finally:
            del self, given, fields
        raise refusal

    kind.__init__ = init  # type: ignore[method-assign, assignment] # as attrs itself does
    return kind


def check_code(code: object, what: str, *, longest: int = _CODE_LENGTH) -> str:
    """Return a code that can stand in a comma-separated list and be looked up again, or refuse it.

    Args:
        code: a SKU, an order number, a custom order id: printable characters, no comma, no blanks around.
        what: names it in the error.
        longest: characters at most.
    """
    if not isinstance(code, str):
        raise InvalidRequest(f"{what} must be a str, not {type(code).__name__}")
    if not code.isascii() and any("\ud800" <= sign <= "\udfff" for sign in code):
        raise InvalidRequest(f"{what} holds half a character (a lone surrogate, as of a cut emoji)")
    if not code or code != code.strip() or "," in code or not code.isprintable():
        raise InvalidRequest(f"{what} {code!r} is empty or holds a comma, blanks around it or a line break")
    if len(code) > longest:
        raise InvalidRequest(f"{what} {code[:16]!r}... is longer than {longest} characters")
    return code


def optional_code(instance: object, field: Field, value: object) -> None:
    """Validate None, or what `check_code` lets pass."""
    if value is not None:
        check_code(value, _name(instance, field))


def check_warehouse(code: object) -> str:
    """Return the code of a warehouse, or refuse it."""
    return check_code(code, "warehouse_code", longest=WAREHOUSE_LENGTH)


def _name(instance: object, field: Field) -> str:
    order = cast("object", getattr(instance, "custom_order_id", None))
    of = (
        f"order {order[:_CODE_LENGTH]!r}: "
        if isinstance(order, str) and field.name != "custom_order_id"
        else ""
    )
    return f"{of}{type(instance).__name__}.{field.name}"


def text(longest: int | None = None) -> Validator:
    """Make a validator: a str that is not blank and has at most `longest` characters."""
    optional = optional_text(longest)

    def check(instance: object, field: Field, value: object) -> None:
        if value is None or (isinstance(value, str) and not value.strip()):
            raise InvalidRequest(f"{_name(instance, field)} must not be empty")
        optional(instance, field, value)

    return check


def optional_text(longest: int | None = None) -> Validator:
    """Make a validator: None, or a str (blank is fine) of at most `longest` characters."""

    def check(instance: object, field: Field, value: object) -> None:
        if value is None:
            return
        if not isinstance(value, str):
            raise InvalidRequest(f"{_name(instance, field)} must be a str, not {type(value).__name__}")
        if longest is not None and len(value) > longest:
            raise InvalidRequest(
                f"{_name(instance, field)} takes at most {longest} characters, not {len(value)}"
            )
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise InvalidRequest(
                f"{_name(instance, field)} holds half a character (a lone surrogate, as of a cut emoji)"
            )

    return check


def positive(instance: object, field: Field, value: object) -> None:
    """Validate a whole number above 0, as long as a quantity may be."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRequest(
            f"{_name(instance, field)} must be a whole number above 0, not {type(value).__name__}"
        )
    if value <= 0:
        raise InvalidRequest(f"{_name(instance, field)} must be above 0, not {value}")
    if value >= 10**_QUANTITY_DIGITS:
        raise InvalidRequest(f"{_name(instance, field)} takes at most {_QUANTITY_DIGITS} digits")


def instance_of(kind: type) -> Validator:
    """Make a validator: a `kind`."""

    def check(instance: object, field: Field, value: object) -> None:
        if not isinstance(value, kind):
            raise InvalidRequest(
                f"{_name(instance, field)} must be of type {kind.__name__}, not {type(value).__name__}"
            )

    return check


def each(kind: type) -> Validator:
    """Make a validator: a tuple whose every element is a `kind`."""

    def check(instance: object, field: Field, value: object) -> None:
        if not isinstance(value, tuple):
            raise InvalidRequest(f"{_name(instance, field)} must be a sequence of {kind.__name__}")
        for place, element in enumerate(cast("tuple[object, ...]", value)):
            if not isinstance(element, kind):
                raise InvalidRequest(
                    f"{_name(instance, field)}[{place}] must be of type {kind.__name__}, "
                    f"not {type(element).__name__}"
                )

    return check


def filled(kind: type) -> Validator:
    """Make a validator: a tuple of at least one element, every one a `kind`."""
    well_typed = each(kind)

    def check(instance: object, field: Field, value: object) -> None:
        well_typed(instance, field, value)
        if value == ():
            raise InvalidRequest(f"{_name(instance, field)} must hold at least one {kind.__name__}")

    return check


def as_tuple(values: Iterable[T]) -> tuple[T, ...]:
    """Convert any iterable to a tuple; anything else stays as it is, for a validator to refuse by name.

    It reads `values` once. One-shot iterables are read nowhere else: a second loop over one finds nothing.
    """
    return tuple(values) if _is_list(values) else cast("tuple[T, ...]", values)


def as_model(kind: type[M], value: M | Mapping[str, object]) -> M | InvalidRequest:
    """Return a model, made of plain data if need be, or the error that tells all problems.

    The caller forgets what it was given, and then raises: no frame keeps plain data, which no repr hides.
    """
    given = cast("object", value)
    if isinstance(given, kind):
        return given
    found, problems = read(kind, given)
    return cast("InvalidRequest", refusal(kind, problems)) if found is None else found


def as_models(what: str, values: Iterable[M | Mapping[str, object]], kind: type[M]) -> tuple[M, ...]:
    """Convert a list of models in which some are plain data; anything else stays for a validator to refuse by name.

    Args:
        what: names the list in the error: "items".
        values: read once.
        kind: of the models.

    Raises:
        InvalidRequest: with all problems of all plain data.
    """
    given = as_tuple(values)
    if not _is_list(given) or not any(isinstance(one, Mapping) for one in given):
        return cast("tuple[M, ...]", given)
    found, problems = read(tuple[kind, ...], given)  # type: ignore[valid-type] # made at run time
    if found is None:
        raise InvalidRequest("; ".join(f"{what}{path}: {text}" for path, text in problems))
    return found


def each_of(what: str, values: Iterable[T]) -> Iterator[T]:
    """Begin to read an iterable; refuse one text, whose letters are not what was meant, and what is no iterable.

    Args:
        what: what it holds, for the error: "country codes".
        values: read once.
    """
    if not _is_list(values):
        raise InvalidRequest(f"pass a list of {what}, not one {type(values).__name__}")
    return iter(values)


def as_list_of(what: str, values: Iterable[T], *kinds: type) -> tuple[T, ...]:
    """Convert any iterable to a tuple; refuse what `each_of` refuses.

    Args:
        what: what it holds, for the error: "country codes".
        values: read once.
        kinds: what each element must be an instance of; none: anything.
    """
    listed = tuple(each_of(what, values))
    for element in listed if kinds else ():
        if not isinstance(element, kinds):
            raise InvalidRequest(f"pass a list of {what}, not of {type(element).__name__}")
    return listed


def _is_list(values: object) -> bool:
    return hasattr(values, "__iter__") and not isinstance(values, str)


def as_stripped(value: str) -> str:
    """Take the blanks around a text away; anything else stays as it is, for a validator to refuse by name."""
    given = cast("object", value)
    return given.strip() if isinstance(given, str) else value


def as_country(code: str) -> str:
    """Write a country code as the API does, " us" as "US"; anything else is left for `country` to refuse.

    Quotes, previews and orders all pass through here: what one of them takes, the others take.
    """
    given = cast("object", code)
    written = given.strip() if isinstance(given, str) else ""
    return written.upper() if written.isascii() and written else code


def country(instance: object, field: Field, value: object) -> None:
    """Validate a country code: two letters, perhaps with a part of the country as in "CN_S": 12 characters."""
    if not isinstance(value, str) or _COUNTRY.fullmatch(value) is None:
        hint = _what_to_write(value)
        if not hint and isinstance(value, str) and len(value) > _COUNTRY_LENGTH:
            hint = f"; it takes at most {_COUNTRY_LENGTH} characters"
        raise InvalidRequest(f"{_name(instance, field)} must be a two-letter code such as 'US'{hint}")


def check_country(code: object) -> str:
    """Return a country code as the API writes it, or refuse it."""
    written = as_country(cast("str", code))
    if not isinstance(code, str) or _COUNTRY.fullmatch(written) is None:
        raise InvalidRequest(
            f"country must be a two-letter code such as 'US', not {code!r}{_what_to_write(code)}"
        )
    return written


def check_known_country(code: object) -> str:
    """Return the code of a country that there is: of another, no stock is found, and all would look sold out."""
    written = check_country(code)
    if written.partition("_")[0] not in COUNTRIES:
        raise InvalidRequest(f"there is no country {code!r}{_what_to_write(code)}")
    return written


def _what_to_write(country: object) -> str:
    code = NAMES.get(name_key(country)) if isinstance(country, str) else None
    return f": write {code!r}" if code else ""


def lookup_code(instance: object, field: Field, value: object) -> None:
    """Validate a code that can stand in a comma-separated list: what is ordered can then be looked up, too."""
    if isinstance(value, str) and ("," in value or not value.isprintable()):
        raise InvalidRequest(f"{_name(instance, field)} must hold no comma and no line break")


def _are_plain(codes: tuple[str, ...]) -> bool:
    """Return whether these are surely codes that `check_code` lets pass, at the cost of looking at one text."""
    try:
        text = ",".join(codes)
    except TypeError:  # what is none is for `check_code` to name
        return False
    is_simple = text.isascii() and text.isprintable() and " " not in text
    is_simple = is_simple and text.count(",") == len(codes) - 1 and "" not in codes
    return is_simple and max(map(len, codes)) <= _CODE_LENGTH


def check_codes(codes: Iterable[str], what: str, *, at_most: int | None = None) -> tuple[str, ...]:
    """Return codes once each, in their order; refuse a bad one, none at all, or more than `at_most`."""
    listed = codes if isinstance(codes, tuple) else as_list_of(f"{what} codes", codes)
    if not _are_plain(listed):
        listed = tuple(check_code(code, what) for code in listed)
    found = tuple(dict.fromkeys(listed))
    if at_most is not None and not 1 <= len(found) <= at_most:
        raise InvalidRequest(f"one request takes 1 to {at_most} {what} codes, not {len(found)}")
    return found
