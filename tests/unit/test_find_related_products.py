"""What belongs to a product or to some days, and which product is meant."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests import tiny_shop
from tests.fakes import FakeProductRepository, FakeStoreDirectory
from tests.tiny_shop import PersonRow
from zava.core.errors import AuthorizationError, NotFoundError, ValidationError
from zava.core.use_cases.find_related_products import FindRelatedProducts, Kind, RelatedProducts

# Ten in the evening of 31 March in Seattle.
NOW = datetime(2026, 4, 1, 5, tzinfo=UTC)


async def find(
    kind: Kind,
    product: str | None = None,
    period: str | None = None,
    person: PersonRow = tiny_shop.SEATTLE,
    repository: FakeProductRepository | None = None,
) -> RelatedProducts:
    related = FindRelatedProducts(FakeStoreDirectory(), repository or FakeProductRepository(), lambda: NOW)
    return await related(person.principal, kind, product=product, period=period)


def days(result: RelatedProducts) -> tuple[str, str]:
    assert result.period
    return str(result.period.first_day), str(result.period.last_day)


async def test_similar_products_are_near_in_meaning() -> None:
    result = await find("similar", "wall paint")
    assert result.product == "Wall paint"
    assert (result.products[0].product.name, result.products[0].similarity) == ("Paint roller", 71)
    assert result.period is None


async def test_without_embeddings_nothing_is_called_similar() -> None:
    with pytest.raises(NotFoundError, match="zava embed"):
        await find("similar", "Wall paint", repository=FakeProductRepository(serving=None))


async def test_too_few_baskets_say_nothing() -> None:
    result = await find("bought_together", "Wall paint", "all_time")
    assert result.products == ()


async def test_baskets_are_those_of_a_year_unless_asked_otherwise() -> None:
    assert days(await find("bought_together", "Wall paint")) == ("2025-03-31", "2026-03-30")
    assert days(await find("bought_together", "Wall paint", "last_month")) == ("2026-02-01", "2026-02-28")


async def test_trends_compare_with_the_days_before() -> None:
    result = await find("trending", period="2026-03")
    assert [(one.product.name, one.units, one.previous_units, one.growth_percent) for one in result.products] == [
        ("Wall paint", 3, 0, None),
        ("Wood chisel", 1, 0, None),
    ]
    tacoma = await find("trending", period="2026-03", person=tiny_shop.TACOMA)
    assert [one.growth_percent for one in tacoma.products] == [Decimal("150.0")]


async def test_trends_are_those_of_thirty_days_unless_asked_otherwise() -> None:
    assert days(await find("trending")) == ("2026-03-01", "2026-03-30")


async def test_all_time_has_nothing_before_it() -> None:
    with pytest.raises(ValidationError, match="a period before it"):
        await find("trending", period="all_time")


@pytest.mark.parametrize(
    ("kind", "product", "period", "field"),
    [
        ("similar", None, None, "product"),
        ("bought_together", None, None, "product"),
        ("trending", "Wall paint", None, "product"),
        ("similar", "Wall paint", "last_month", "period"),
        ("similar", "", None, "product"),
        ("similar", "a\0", None, "product"),
        ("bought_together", "Wall paint", "some day", "period"),
    ],
)
async def test_an_argument_that_is_missing_superfluous_or_wrong_is_named(
    kind: Kind, product: str | None, period: str | None, field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        await find(kind, product, period)
    assert refused.value.field == field


async def test_a_product_may_be_named_by_the_words_that_it_alone_has() -> None:
    assert (await find("similar", "hammer")).product == "Claw hammer"


async def test_who_may_mean_several_products_is_shown_them() -> None:
    with pytest.raises(NotFoundError, match=r"Wall paint \(Wall paint\); Paint roller \(Paint roller\)"):
        await find("similar", "paint")


async def test_an_unknown_product_is_said_to_be_unknown() -> None:
    with pytest.raises(NotFoundError, match="no such product"):
        await find("similar", "ladder")


async def test_who_has_no_store_has_no_baskets_and_no_trends() -> None:
    with pytest.raises(AuthorizationError, match="No store is assigned"):
        await find("trending", person=tiny_shop.STORELESS)
