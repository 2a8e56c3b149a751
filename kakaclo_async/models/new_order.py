"""An order that is to be placed, and what placing it gave."""

import attrs

from kakaclo_async.models._checks import (
    as_country,
    country,
    filled,
    instance_of,
    optional_code,
    optional_text,
    text,
    without_locals,
)
from kakaclo_async.models.address_checks import address_problems
from kakaclo_async.models.common import OpenStrEnum, wire
from kakaclo_async.models.freight import ChannelType, Item, OrderProblem, as_channel_type, items_tuple
from kakaclo_async.travel.shown import Shown


class SalePlatform(OpenStrEnum):
    """Where an order was sold, as documented; KakaClo takes other names too."""

    AMAZON = "Amazon"
    WISH = "Wish"
    EBAY = "eBay"
    WALMART = "Walmart"
    GROUPON = "Groupon"
    IROBOTBOX_ERP = "IrobotBoxERP"
    SHOPIFY = "Shopify"
    ALIEXPRESS = "Aliexpress"
    OVERSTOCK = "OverStock"
    TOPHATTER = "TopHatter"
    JOYBUY = "JoyBuy"
    HOMEDEPOT = "Homedepot"
    FACEBOOKSHOP = "Facebookshop"
    MERCARI = "Mercari"
    FACEBOOK_MARKETPLACE = "Facebook Marketplace"


@without_locals
@attrs.frozen(kw_only=True)
class Address(Shown):
    """Where an order goes. Its repr shows the country alone.

    Attributes:
        country: the short code, "US"; " us" is taken as "US".
        recipient: like province, zip, ioss and vat at most 32 characters.
        phone: like street1, street2 and city at most 64 characters.

    Raises:
        InvalidRequest: when a limit is broken, or the country is no code. `problems` tells what else is wrong.
    """

    country: str = attrs.field(converter=as_country, validator=[text(32), country])
    phone: str = attrs.field(validator=text(64), repr=False)
    recipient: str = attrs.field(validator=text(32), repr=False)
    province: str = attrs.field(validator=text(32), repr=False)
    street1: str | None = attrs.field(default=None, validator=optional_text(64), repr=False)
    street2: str | None = attrs.field(default=None, validator=optional_text(64), repr=False)
    city: str | None = attrs.field(default=None, validator=optional_text(64), repr=False)
    zip: str | None = attrs.field(default=None, validator=optional_text(32), repr=False)
    ioss: str | None = attrs.field(default=None, validator=optional_text(32), repr=False)
    vat: str | None = attrs.field(default=None, validator=optional_text(32), repr=False)

    @property
    def problems(self) -> tuple[OrderProblem, ...]:
        """Why nobody can deliver to it, told from the address alone: masked, cut, a postal code of another country.

        KakaClo takes such an address all the same, and so do `orders.create` and `orders.submit`.
        """
        return tuple(OrderProblem(f"address.{name}", text) for name, text in address_problems(self))


def _sale_platform(name: str | None) -> str | None:
    try:
        return name if name is None else SalePlatform(name)
    except ValueError:  # no str: the validator says so, and names the field
        return name


@without_locals
@attrs.frozen(kw_only=True)
class NewOrder(Shown):
    """An order to place (`POST /v2/order/orders`).

    Attributes:
        items: at least one; any iterable is accepted.
        channel_type: a `ChannelType`, or its text, also in small letters.
        custom_order_id: your own number, by which the order is looked up: at most 64 printable characters, no comma,
            no blanks around it. Assume that two orders may share it: KakaClo does not say that it looks for doubles.
        sale_platform: a `SalePlatform`, or any other text.

    Raises:
        InvalidRequest: when a limit is broken.
    """

    _shown = ("custom_order_id", "channel_type", "address", "items")
    address: Address = attrs.field(validator=instance_of(Address), metadata=wire("orderAddresses"))
    items: tuple[Item, ...] = attrs.field(
        converter=items_tuple, validator=filled(Item), metadata=wire("orderItemsList")
    )
    channel_type: str = attrs.field(
        default=ChannelType.STANDARD, converter=as_channel_type, validator=text(16)
    )
    custom_order_id: str | None = attrs.field(default=None, validator=optional_code)
    remark: str | None = attrs.field(default=None, validator=optional_text(), repr=False)
    sale_platform: str | None = attrs.field(default=None, converter=_sale_platform, validator=optional_text())


def _only_id(created: "CreatedOrder") -> tuple[str, ...]:
    return (created.id,)


@attrs.frozen
class CreatedOrder(Shown):
    """What placing an order gave.

    Attributes:
        id: KakaClo's order number. KakaClo may split the order by warehouse, and names only one, say the documents.
        custom_order_id: your own number, as sent.
        ids: every number that KakaClo named, `id` first.
    """

    id: str
    custom_order_id: str | None = None
    ids: tuple[str, ...] = attrs.field(default=attrs.Factory(_only_id, takes_self=True), kw_only=True)
