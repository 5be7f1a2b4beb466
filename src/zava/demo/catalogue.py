"""What the sample shop sells, read from the files in `assortment`."""

import tomllib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from math import fsum
from typing import Any
from uuid import UUID

from zava.demo.chance import fraction, named_id

_FILES = (
    "plumbing",
    "electrical",
    "hand_tools",
    "power_tools",
    "paint",
    "garden",
    "hardware",
    "building",
    "heating",
)
_LONG_TAIL = 1.25  # a type's second product sells 2 ** -1.25 times as often as its first


@dataclass(frozen=True, eq=False)
class Product:
    """A product as it is of 2026.

    Attributes:
        number: its place in the catalogue.
        type_number: the place of its type.
        cost: cents.
        popularity: share of all lines of an average month.
        most: pieces that are hardly exceeded on one line.
        return_rate: the part of its lines of which something comes back.
        discontinued: first month in which it is no longer sold, such as (2024, 3).
    """

    number: int
    type_number: int
    category_number: int
    sku: str
    name: str
    description: str
    cost: int
    popularity: float
    most: int
    pack_size: int
    lead_days: int
    best_seller: bool
    return_rate: float
    discontinued: tuple[int, int] | None

    @cached_property
    def product_id(self) -> UUID:
        return named_id("product", self.sku)

    def is_sold(self, month: tuple[int, int]) -> bool:
        return self.discontinued is None or month < self.discontinued


@dataclass(frozen=True, eq=False)
class ProductType:
    """A kind of product; `related` are numbers of types that belong into the same basket."""

    number: int
    category_number: int
    name: str
    related: tuple[int, ...]
    products: tuple[Product, ...]

    @property
    def product_type_id(self) -> UUID:
        return named_id("product type", self.category_number, self.name)


@dataclass(frozen=True, eq=False)
class Category:
    """A department. `months` are factors around 1, January first; `share` is its part of all lines."""

    number: int
    name: str
    share: float
    months: tuple[float, ...]

    @property
    def category_id(self) -> UUID:
        return named_id("category", self.name)


@dataclass(frozen=True, eq=False)
class Catalogue:
    categories: tuple[Category, ...]
    types: tuple[ProductType, ...]

    @cached_property
    def products(self) -> tuple[Product, ...]:
        return tuple(product for product_type in self.types for product in product_type.products)


@lru_cache(maxsize=1)
def read_catalogue() -> Catalogue:
    folder = files("zava.demo") / "assortment"
    written = [tomllib.loads((folder / f"{name}.toml").read_text("utf-8")) for name in _FILES]
    total = fsum(category["weight"] for category in written)
    categories = tuple(
        Category(
            number=number,
            name=category["name"],
            share=category["weight"] / total,
            months=tuple(weight * 12 / fsum(category["months"]) for weight in category["months"]),
        )
        for number, category in enumerate(written)
    )
    return Catalogue(categories, _types(categories, written))


def _types(categories: tuple[Category, ...], written: list[dict[str, Any]]) -> tuple[ProductType, ...]:
    flat = [
        (categories[number], category, product_type)
        for number, category in enumerate(written)
        for product_type in category["types"]
    ]
    number_of = {product_type["name"]: number for number, (_, _, product_type) in enumerate(flat)}
    types: list[ProductType] = []
    products = 0
    for number, (category, text, product_type) in enumerate(flat):
        share = category.share * product_type["popularity"] / fsum(t["popularity"] for t in text["types"])
        types.append(
            ProductType(
                number=number,
                category_number=category.number,
                name=product_type["name"],
                related=tuple(number_of[name] for name in product_type["related"]),
                products=_products(number, category.number, products, share, text["code"], product_type),
            )
        )
        products += len(types[-1].products)
    return tuple(types)


def _products(  # noqa: PLR0913, PLR0917 - where the type stands, and what was written about it
    type_number: int, category_number: int, first: int, share: float, code: str, text: dict[str, Any]
) -> tuple[Product, ...]:
    ranks = range(1, len(text["products"]) + 1)
    of_all_ranks = fsum(rank**-_LONG_TAIL for rank in ranks)
    products = []
    for rank, (name, cost, *fillings) in zip(ranks, text["products"], strict=True):
        sku = f"{code}-{text['code']}-{rank:03d}"
        purpose, making, uses, discontinued = (*fillings, None, None)[:4]
        products.append(
            Product(
                number=first + rank - 1,
                type_number=type_number,
                category_number=category_number,
                sku=sku,
                name=name,
                description=" ".join(filter(None, (text["says"].format(purpose, making), uses, text["uses"]))),
                cost=round(cost * 100),
                popularity=share * rank**-_LONG_TAIL / of_all_ranks,
                most=text["most"],
                pack_size=text["pack"],
                lead_days=text["lead"] + int(4 * fraction("lead days", sku)),
                best_seller=rank == 1,
                return_rate=0.032 * (0.4 + 1.2 * fraction("returns", sku)),
                discontinued=_month(discontinued),
            )
        )
    return tuple(products)


def _month(text: str | None) -> tuple[int, int] | None:
    return (int(text[:4]), int(text[5:])) if text else None
