"""A made-up catalog: each row follows from its number alone, so none has to be stored."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from itertools import islice, product
from random import Random
from typing import TYPE_CHECKING

from kakaclo_async.sandbox.world.goods import Product, Shelf, Sku
from kakaclo_async.sandbox.world.places import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Sequence


_LEAVES = tuple(number for number, node in CATEGORIES.items() if len(node.path) == 3)

_SUPPLIERS = ("AMN", "FSZW", "AMB", "KLT")
_STOCKED_IN = (
    ("G007",),
    ("G004", "G007"),
    ("G007", "W001"),
    ("G004", "G007", "W001"),
    ("G007", "W001"),
    ("G004",),
    ("G004", "W001"),
    ("W001",),
)
_SKU_COUNTS = tuple(
    skus for skus, share in enumerate((3, 5, 6, 10, 10, 9, 6, 5, 4, 3, 2, 1), start=1) for _ in range(share)
)
"""64, so that six bits choose one."""

_STATUSES: tuple[Shelf, ...] = (
    *(Shelf.ON,) * 104,
    *(Shelf.OFF,) * 6,
    *(Shelf.DELETED,) * 3,
    *(Shelf.DISCONTINUED,) * 3,
    *(Shelf.CLEARANCE,) * 4,
    *(Shelf.PARTIAL_CLEARANCE,) * 2,
    *(Shelf.OUT_OF_STOCK,) * 6,
)
"""Of SPUs; 128, so that seven bits choose one."""

_COLOURS = (
    ("B", "Black"),
    ("W", "White"),
    ("R", "Red"),
    ("P", "Pink"),
    ("G", "Green"),
    ("Y", "Yellow"),
    ("BL", "Navy blue"),
    ("DGR", "Charcoal grey"),
    ("KH", "Khaki"),
    ("AP", "Apricot"),
    ("PU", "Purple"),
    ("BR", "Coffee brown"),
)
_SIZES = ("S", "M", "L", "XL", "XXL")
_PRINTS = ("", "Floral", "Striped", "Plaid", "Letter", "Leopard")
_PATTERNS = ("Solid Color", "Contrast", "Gradient", "Camouflage", "Lace", "Embroidered", "Color Block")
_MOODS = ("Casual", "Fashion", "Vintage", "Elegant", "Street", "Basic", "Summer", "Cozy", "Chic", "Loose")
_CUTS = (
    "Slim Fit",
    "Oversized",
    "High Waist",
    "Ribbed",
    "Drawstring",
    "Patchwork",
    "Button-Up",
    "Pleated",
    "Cropped",
)
_MATERIALS = (
    "100% Cotton",
    "95% Polyester 5% Spandex",
    "65% Cotton 35% Polyester",
    "100% Linen",
    "Knitted Viscose",
)
_SEASONS = ("Spring-Summer", "Autumn-Winter", "All Seasons")
_WAISTLINES = ("High waist", "Mid waist", "Low waist")
_HEAVY = frozenset({"Outerwear", "Sets"})
_STOCK_BY_LEVEL = {"A": (101, 400), "B": (51, 120), "C": (10, 50), "": (0, 30)}

_MASK = (1 << 64) - 1


def mix(number: int) -> int:
    """Scatter a number over 64 bits; the same number always lands in the same place."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


class Assortment:
    """All products that a seed could ever make, by row number.

    Args:
        seed: Equal seeds make equal products.
    """

    def __init__(self, seed: int) -> None:
        self._salt = mix(seed)
        self.product = lru_cache(maxsize=2048)(self._product)

    def spu(self, row: int) -> str:
        """Return the code of a row."""
        return f"{_SUPPLIERS[self._genes(row) >> 32 & 3]}{row + 1:05d}"

    def row(self, spu: str) -> int | None:
        """Return the row of a code; None if no row could have it."""
        digits = spu.lstrip("ABFKLMNSTWZ")
        row = int(digits) - 1 if digits.isascii() and digits.isdigit() else -1
        return row if row >= 0 and self.spu(row) == spu else None

    def sku_count(self, row: int) -> int:
        """Return how many SKUs a row has: 1 to 12."""
        return _SKU_COUNTS[self._genes(row) & 63]

    def category(self, row: int) -> int:
        """Return the category of a row: always a leaf of the tree."""
        return _LEAVES[(self._genes(row) >> 16 & 0xFFFF) % len(_LEAVES)]

    def warehouses(self, row: int) -> tuple[str, ...]:
        """Return the warehouses that stock a row."""
        return _STOCKED_IN[self._genes(row) >> 6 & 7]

    def _genes(self, row: int) -> int:
        return mix(self._salt ^ row)

    def _product(self, row: int, created: int) -> Product:
        rng = Random(self._genes(row))
        category = self.category(row)
        group, kind, garment = CATEGORIES[category].names
        cut = rng.choice(_CUTS)
        name = f"{rng.choice(_MOODS)} {group}'s {rng.choice(_PATTERNS)} {cut} {garment}"
        spu = self.spu(row)
        level = rng.choice(("A", "A", "B", "B", "C", "C", ""))
        skus = self._skus(row, rng, heavy=kind in _HEAVY, level=level)
        return Product(
            number=1_000_001 + row,
            spu=spu,
            name=name,
            description=f"{name}. Comfortable fabric, {cut.lower()} style, suitable for daily wear, school, leisure "
            "and vacation. Colours may differ slightly from the picture; please measure before you buy.",
            category=category,
            created=created,
            sales=int(rng.paretovariate(1.1) * 5) % 20_000,
            attributes=f'{{"season": "{rng.choice(_SEASONS)}", "waistline": "{rng.choice(_WAISTLINES)}"}}',
            supplier_level=level,
            size_image=picture(spu, "size", rng.getrandbits(64)),
            warehouses=self.warehouses(row),
            skus=skus,
        )

    def _skus(self, row: int, rng: Random, *, heavy: bool, level: str) -> tuple[Sku, ...]:
        count, spu, warehouses = self.sku_count(row), self.spu(row), self.warehouses(row)
        sizes = _SIZES[: rng.randint(min(count, 2), 5)]
        colours = rng.sample(_COLOURS, -(-count // len(sizes)))
        print_name = rng.choice(_PRINTS) if rng.random() < 0.5 else None
        cents = rng.randint(900, 4200) if heavy else rng.randint(210, 1600)
        margin = rng.randint(115, 170)
        grams = rng.randint(380, 1200) if heavy else rng.randint(90, 420)
        size_cm = (rng.randint(20, 40), rng.randint(15, 30), rng.randint(2, 12))
        material = rng.choice(_MATERIALS)
        low, high = _STOCK_BY_LEVEL[level]
        statuses = _sku_statuses(_STATUSES[self._genes(row) >> 9 & 127], count, rng)
        images = {colour: picture(spu, colour, rng.getrandbits(64)) for colour, _ in colours}
        amounts = {
            extra: (Decimal(cents + extra).scaleb(-2), Decimal((cents + extra) * margin // 100).scaleb(-2))
            for extra in (0, 50)
        }
        found: list[Sku] = []
        for ((code, colour), size), status in zip(
            islice(product(colours, sizes), count), statuses, strict=True
        ):
            cost, price = amounts[50 if size == "XXL" else 0]
            pieces = 0 if status == Shelf.OUT_OF_STOCK else low + int(rng.random() * (high - low + 1))
            found.append(
                Sku(
                    code=f"{spu}_{code}_{size}",
                    colour=colour,
                    size=size,
                    extra=print_name,
                    cost=cost,
                    price=price,
                    status=status,
                    weight=grams + 12 * _SIZES.index(size),
                    size_cm=size_cm,
                    material=material,
                    image=images[code],
                    stock=_spread(pieces, len(warehouses), rng),
                )
            )
        return tuple(found)


def picture(spu: str, part: str, number: int) -> str:
    """Return the URL of a picture that does not exist."""
    return f"https://img.kakaclo.example/image%2F{spu}%2F{spu}_{part}%2F{number:016x}.jpg"


def _sku_statuses(status: Shelf, count: int, rng: Random) -> list[int]:
    """Choose statuses of SKUs from which that of the SPU follows."""
    others = {
        Shelf.ON: (Shelf.ON, Shelf.ON, Shelf.ON, Shelf.OFF, Shelf.OUT_OF_STOCK),
        Shelf.PARTIAL_CLEARANCE: (Shelf.OFF,),
    }
    head = Shelf.CLEARANCE if status == Shelf.PARTIAL_CLEARANCE and count > 1 else status
    choices: Sequence[Shelf] = others.get(status, (status,))
    return [int(head), *(int(rng.choice(choices)) for _ in range(count - 1))]


def _spread(pieces: int, parts: int, rng: Random) -> tuple[int, ...]:
    """Divide pieces over warehouses."""
    cuts = sorted(int(rng.random() * (pieces + 1)) for _ in range(parts - 1))
    return tuple(high - low for low, high in zip([0, *cuts], [*cuts, pieces], strict=True))


def uneven_times(rng: Random, count: int, start: int, end: int) -> list[int]:
    """Draw update times as a real catalog has them.

    Busy and quiet months, and bulk imports: up to thousands of neighbouring rows that share a few seconds.

    Args:
        rng: Source of chance.
        count: How many times to draw.
        start: The earliest, in seconds since 1970.
        end: The latest.
    """
    month = max(1, (end - start) // max(1, round((end - start) / 2_600_000)))
    months = range(start, end, month)
    weights = [rng.choice((0.02, 0.3, 1.0, 1.0, 3.0)) for _ in months]
    weights[-1] = 1.0
    times = [min(end, first + int(rng.random() * month)) for first in rng.choices(months, weights, k=count)]
    imported = 0
    while imported < count * 0.4:
        size = min(count, 5_000, max(2, int(count * rng.uniform(0.02, 0.12))))
        place = rng.randrange(count - size + 1)
        moment = rng.randrange(start, end - 5)
        times[place : place + size] = [moment + int(rng.random() * 4) for _ in range(size)]
        imported += size
    return times


def bulk_second(rng: Random, times: list[int], share: float, start: int, end: int) -> None:
    """Give a share of the rows, neighbours, one update time: somewhere from `start` to `end`."""
    size = round(len(times) * share)
    if size:
        place = rng.randrange(len(times) - size + 1)
        times[place : place + size] = [rng.randrange(start, end)] * size
