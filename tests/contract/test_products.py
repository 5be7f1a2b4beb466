"""Products and who has them: fake and PostgreSQL answer alike, and each sees the stock of their own stores."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import psycopg
import pytest

from tests import tiny_shop
from tests.contract.conftest import Ports, TestDatabase
from tests.fakes import MODEL, meaning_of
from tests.tiny_shop import PersonRow, identify
from zava.core.errors import AuthorizationError
from zava.core.model import DateRange, Meaning, ProductFilter, ProductMatch

MARCH = DateRange(date(2026, 3, 1), date(2026, 3, 31))
FEBRUARY = DateRange(date(2026, 2, 1), date(2026, 2, 28))
EVER = DateRange(date(2025, 1, 1), date(2026, 12, 31))
PEOPLE = [tiny_shop.HEAD_OFFICE, tiny_shop.REGION, tiny_shop.SEATTLE, tiny_shop.TACOMA, tiny_shop.STORELESS]
everybody = pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.name)


async def search(  # noqa: PLR0913 - as the port
    ports: Ports,
    text: str,
    person: PersonRow = tiny_shop.SEATTLE,
    *,
    wanted: ProductFilter | None = None,
    threshold: float = 50,
    most: int = 20,
    by_meaning: bool = False,
) -> Sequence[ProductMatch]:
    return await ports.products.semantic_search(
        person.principal,
        text,
        Meaning(MODEL, meaning_of(text)) if by_meaning else None,
        wanted=wanted or ProductFilter(),
        similarity_threshold=threshold,
        max_rows=most,
    )


async def has_vectors(ports: Ports) -> bool:
    return await ports.products.embedding_model(tiny_shop.SEATTLE.principal) is not None


def names(matches: Sequence[ProductMatch]) -> list[str]:
    return [match.product.name for match in matches]


async def test_every_word_must_occur_in_name_kind_category_or_description(ports: Ports) -> None:
    assert names(await search(ports, "paint roller")) == ["Paint roller"]
    assert names(await search(ports, "nail wood")) == ["Claw hammer"]
    assert sorted(names(await search(ports, "hand tools"))) == ["Claw hammer", "Wood chisel"]
    assert await search(ports, "paint hammer") == []


async def test_a_match_by_words_has_no_similarity(ports: Ports) -> None:
    (match,) = await search(ports, "roller")
    assert (match.matched, match.similarity) == ("words", None)


async def test_what_means_the_same_is_found_without_a_word_in_common(ports: Ports) -> None:
    if await has_vectors(ports):
        found = await search(ports, "colour", by_meaning=True)
        assert names(found) == ["Wall paint", "Paint roller"]
        assert [(match.matched, match.similarity) for match in found] == [("meaning", 100), ("meaning", 71)]


async def test_the_threshold_is_for_meaning_and_not_for_words(ports: Ports) -> None:
    if await has_vectors(ports):
        assert names(await search(ports, "colour", by_meaning=True, threshold=80)) == ["Wall paint"]
        found = await search(ports, "roller", by_meaning=True, threshold=100)
        assert [(match.product.name, match.matched, match.similarity) for match in found] == [
            ("Paint roller", "words", None)
        ]


@pytest.mark.parametrize(
    ("threshold", "expected"), [(70.6, ["Wall paint", "Paint roller"]), (71.5, ["Wall paint"])], ids=["below", "above"]
)
async def test_the_threshold_may_be_a_fraction(ports: Ports, threshold: float, expected: list[str]) -> None:
    if await has_vectors(ports):
        assert names(await search(ports, "colour", by_meaning=True, threshold=threshold)) == expected


async def test_what_matches_both_ways_comes_first_and_says_so(ports: Ports) -> None:
    if await has_vectors(ports):
        first, *_ = await search(ports, "wall", by_meaning=True)
        assert (first.product.name, first.matched) == ("Wall paint", "both")


@pytest.mark.parametrize("most", [1, 2])
async def test_no_more_rows_than_asked_for(ports: Ports, most: int) -> None:
    assert len(await search(ports, "paint", most=most)) == most


async def test_a_filter_lets_through_what_it_says(ports: Ports) -> None:
    assert names(await search(ports, "wood", wanted=ProductFilter(category="Paint"))) == []
    assert len(await search(ports, "wood", wanted=ProductFilter(category="Hand tools"))) == 2
    assert names(await search(ports, "wood", wanted=ProductFilter(in_stock_only=True))) == ["Claw hammer"]
    assert len(await search(ports, "wood", wanted=ProductFilter(max_price=Decimal(2)))) == 2
    assert await search(ports, "wood", wanted=ProductFilter(max_price=Decimal("1.99"))) == []


@everybody
async def test_stock_is_that_of_ones_own_stores_and_elsewhere_is_said_in_words(ports: Ports, person: PersonRow) -> None:
    mine = ["Bellevue", "Seattle", "Tacoma"] if person.role == "head_office" else person.stores
    (match,) = await search(ports, "wall paint", person)
    stock = {stock.store: stock.stock_level for stock in match.product.stock}
    assert stock == {store: level for store, level in {"Seattle": 500, "Tacoma": 2}.items() if store in mine}
    assert match.product.elsewhere is not None
    elsewhere = {other.store: other.availability for other in match.product.elsewhere}
    assert elsewhere == {store: "in_stock" for store in ("Seattle", "Tacoma") if store not in mine}


async def test_in_stock_is_in_stock_of_ones_own(ports: Ports) -> None:
    in_stock = ProductFilter(in_stock_only=True)
    assert names(await search(ports, "hammer", tiny_shop.SEATTLE, wanted=in_stock)) == ["Claw hammer"]
    assert names(await search(ports, "hammer", tiny_shop.TACOMA, wanted=in_stock)) == []
    assert names(await search(ports, "hammer", tiny_shop.STORELESS, wanted=in_stock)) == []


async def test_categories_and_kinds_are_named(ports: Ports) -> None:
    assert await ports.products.categories(tiny_shop.SEATTLE.principal) == ["Hand tools", "Paint"] * 2


async def test_words_are_known_with_how_many_names_kinds_and_categories_have_them(ports: Ports) -> None:
    words = ["paint", "roller", "drives", "hand", "wand", "colour", "ed"]
    known = await ports.products.known_words(tiny_shop.STORELESS.principal, words)
    assert known == {"paint": 2, "roller": 1, "drives": 0, "hand": 2}


async def test_a_product_is_known_by_its_name_and_guessed_by_its_words(ports: Ports) -> None:
    (exact,) = await ports.products.products_named(tiny_shop.SEATTLE.principal, " wall PAINT ")
    assert (exact.product_id, exact.name, exact.exact) == (identify("Wall paint"), "Wall paint", True)
    guessed = await ports.products.products_named(tiny_shop.SEATTLE.principal, "hammer")
    assert [(one.name, one.exact) for one in guessed] == [("Claw hammer", False)]
    assert await ports.products.products_named(tiny_shop.SEATTLE.principal, "ladder") == []


async def test_similar_products_are_near_in_meaning_and_never_the_product_itself(ports: Ports) -> None:
    if await has_vectors(ports):
        found = await ports.products.similar_products(
            tiny_shop.SEATTLE.principal, identify("Wall paint"), in_stock_only=False, max_rows=2
        )
        assert (found[0].product.name, found[0].similarity) == ("Paint roller", 71)
        assert len(found) == 2
        in_stock = await ports.products.similar_products(
            tiny_shop.SEATTLE.principal, identify("Wall paint"), in_stock_only=True, max_rows=9
        )
        assert [one.product.name for one in in_stock] == ["Claw hammer"]


@pytest.mark.parametrize(
    ("person", "together"),
    [
        (tiny_shop.HEAD_OFFICE, [("Paint roller", 1, 2, Decimal("1.70"))]),
        (tiny_shop.SEATTLE, [("Paint roller", 1, 2, Decimal("5.00"))]),
        (tiny_shop.TACOMA, []),
        (tiny_shop.STORELESS, []),
    ],
    ids=lambda value: value.name if isinstance(value, PersonRow) else "",
)
async def test_baskets_are_those_of_ones_own_stores(
    ports: Ports, person: PersonRow, together: list[tuple[str, int, int, Decimal]]
) -> None:
    found = await ports.products.bought_together(
        person.principal, identify("Wall paint"), EVER, least_support=1, in_stock_only=False, max_rows=9
    )
    assert [(one.product.name, one.support, one.orders, one.lift) for one in found] == together
    assert [one.product.name for one in found if one.support >= 2] == [
        one.product.name
        for one in await ports.products.bought_together(
            person.principal, identify("Wall paint"), EVER, least_support=2, in_stock_only=False, max_rows=9
        )
    ]


@pytest.mark.parametrize(
    ("person", "rising"),
    [
        (tiny_shop.SEATTLE, [("Wall paint", 3, 0), ("Wood chisel", 1, 0)]),
        (tiny_shop.TACOMA, [("Wall paint", 10, 4)]),
        (tiny_shop.HEAD_OFFICE, [("Wall paint", 13, 4), ("Wood chisel", 1, 0)]),
        (tiny_shop.STORELESS, []),
    ],
    ids=lambda value: value.name if isinstance(value, PersonRow) else "",
)
async def test_trends_are_those_of_ones_own_stores(
    ports: Ports, person: PersonRow, rising: list[tuple[str, int, int]]
) -> None:
    found = await ports.products.trending_products(person.principal, MARCH, FEBRUARY, in_stock_only=False, max_rows=9)
    assert [(one.product.name, one.units, one.previous_units) for one in found] == rising


async def test_nobody_finds_nothing(ports: Ports) -> None:
    for person in (tiny_shop.DISABLED.principal, tiny_shop.STRANGER):
        with pytest.raises(AuthorizationError):
            await ports.products.categories(person)
        with pytest.raises(AuthorizationError):
            await ports.products.trending_products(person, MARCH, FEBRUARY, in_stock_only=False, max_rows=9)


def test_availability_and_what_is_searched_follow_every_change(tiny_copy: TestDatabase) -> None:
    with (
        psycopg.connect(tiny_copy.admin_dsn, autocommit=True) as connection,
        connection.transaction(force_rollback=True),
    ):
        where = {"store": identify("Seattle"), "product": identify("Claw hammer")}

        def available() -> list[str]:
            return [
                row[0]
                for row in connection.execute(
                    "SELECT availability FROM retail.product_availability"
                    " WHERE store_id = %(store)s AND product_id = %(product)s",
                    where,
                )
            ]

        assert available() == ["in_stock"]
        of_it = b" WHERE store_id = %(store)s AND product_id = %(product)s"
        for change, then in (
            (b"UPDATE retail.inventory SET reorder_level = 5" + of_it, ["low"]),
            (b"UPDATE retail.inventory SET stock_level = 0" + of_it, ["none"]),
            (b"UPDATE retail.inventory SET stock_level = 6" + of_it, ["in_stock"]),
            (b"DELETE FROM retail.inventory" + of_it, []),
            (b"INSERT INTO retail.inventory VALUES (%(store)s, %(product)s, 1)", ["in_stock"]),
        ):
            connection.execute(change, where)
            assert available() == then, change

        def content() -> str:
            row = connection.execute(
                "SELECT content || words::text FROM retail.product_search WHERE product_id = %(product)s", where
            ).fetchone()
            assert row
            return str(row[0])

        for rewording, word in (
            ("UPDATE retail.products SET description = 'Pulls pegs.' WHERE product_id = %(product)s", "peg"),
            ("UPDATE retail.product_types SET name = 'Mallets'", "mallet"),
            ("UPDATE retail.categories SET name = 'Ironware ' || name", "ironwar"),
        ):
            assert word not in content()
            connection.execute(rewording.encode(), where)
            assert word in content()


def test_words_are_known_as_soon_as_a_product_has_them(tiny_copy: TestDatabase) -> None:
    with (
        psycopg.connect(tiny_copy.admin_dsn, autocommit=True) as connection,
        connection.transaction(force_rollback=True),
    ):

        def words() -> set[str]:
            return {word for (word,) in connection.execute("SELECT word FROM retail.product_words")}

        before = words()
        assert {"claw", "hammer", "drives"} <= before
        connection.execute(
            """
            UPDATE retail.products SET name = 'Plumber''s saw, 12-inch Éclair', description = 'Saws pipes.',
                sku = 'SAWPL'
            WHERE product_id = %(product)s
            """,
            {"product": identify("Claw hammer")},
        )
        # Neither short words, nor parts of what no question could misspell.
        assert words() - before == {"plumber", "plumbers", "saws", "pipes", "inch", "sawpl"}
