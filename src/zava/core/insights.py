"""Plain findings about a period, each by a stated rule and with its numbers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from zava.core.metrics import CENT, TENTH, gross_margin_percent, percent
from zava.core.model import PerformanceFigures, SliceSales

# A category counts as out of line when its margin moved this many points …
MARGIN_POINTS = Decimal(3)
# … and it brings at least this share of revenue, so that a handful of sales does not raise an alarm.
MARGIN_SHARE_PERCENT = Decimal(2)
# Returns deserve a sentence from this share of revenue on.
RETURNS_PERCENT = Decimal(5)


@dataclass(frozen=True, slots=True)
class Insight:
    """One finding.

    Attributes:
        kind: the rule that found it.
        text: the finding in a sentence.
        numbers: every figure of the sentence, by name.
    """

    kind: Literal["biggest_change", "margin", "returns", "stock"]
    text: str
    numbers: dict[str, Decimal]


def find_insights(figures: PerformanceFigures, *, compared: bool, recent: bool, currency: str) -> tuple[Insight, ...]:
    """What stands out: what moved most and why, margins out of line, returns, stock at risk.

    Args:
        figures: a period and, when `compared`, the one before.
        compared: whether there is a period to compare with.
        recent: whether the period is so near that today's stock belongs to the answer.
        currency: ISO 4217, for the sentences.
    """
    return tuple(_findings(figures, compared=compared, recent=recent, currency=currency))


def _findings(figures: PerformanceFigures, *, compared: bool, recent: bool, currency: str) -> Iterator[Insight]:
    if compared:
        yield from _biggest_change(figures.categories, currency)
        yield from _margins(figures.categories, figures.current.revenue)
    yield from _returns(figures, currency)
    if recent:
        yield from _stock(figures)


def _biggest_change(categories: Iterable[SliceSales], currency: str) -> Iterator[Insight]:
    """The category whose revenue moved most, split into price, volume and mix (price-volume-mix analysis)."""
    moved = max(categories, key=lambda category: abs(_change(category)), default=None)
    if moved is None or not _change(moved):
        return
    effects = _effects(moved)
    reason = max(effects, key=lambda name: effects[name] * (1 if _change(moved) > 0 else -1))
    yield Insight(
        "biggest_change",
        f"{moved.name} moved most: {_signed(_change(moved))} {currency}, mainly by "
        f"{_REASONS[reason]}: {_signed(effects[reason])} {currency}.",
        {"change": _change(moved), **{f"{name}_effect": effect for name, effect in effects.items()}},
    )


_REASONS = {"volume": "volume (units sold)", "price": "price", "mix": "mix (dearer or cheaper products)"}


def _change(sold: SliceSales) -> Decimal:
    return sold.current.revenue - sold.previous.revenue


def _effects(sold: SliceSales) -> dict[str, Decimal]:
    """A change in revenue as the sum of three: more units, other prices, other products."""
    before, now = sold.previous, sold.current
    if before.units:
        volume = ((now.units - before.units) * before.revenue / before.units).quantize(CENT, ROUND_HALF_UP)
    else:
        volume = now.revenue
    price = sold.price_effect.quantize(CENT, ROUND_HALF_UP)
    return {"volume": volume, "price": price, "mix": _change(sold) - volume - price}


def _margins(categories: Iterable[SliceSales], revenue: Decimal) -> Iterator[Insight]:
    for category in categories:
        now, before = gross_margin_percent(category.current), gross_margin_percent(category.previous)
        share = percent(category.current.revenue, revenue)
        if now is None or before is None or share is None or share < MARGIN_SHARE_PERCENT:
            continue
        if abs(now - before) >= MARGIN_POINTS:
            yield Insight(
                "margin",
                f"The gross margin of {category.name} went from {before} % to {now} %.",
                {"margin_percent": now, "previous_margin_percent": before, "points": now - before},
            )


def _returns(figures: PerformanceFigures, currency: str) -> Iterator[Insight]:
    returned = figures.current.returned_amount
    share = percent(returned, figures.current.revenue)
    if share is not None and share >= RETURNS_PERCENT:
        yield Insight(
            "returns",
            f"Returns took {share} % of revenue ({returned:,.2f} {currency}).",
            {"returned_amount": returned, "returned_percent": share},
        )


def _stock(figures: PerformanceFigures) -> Iterator[Insight]:
    if not figures.stock_at_risk:
        return
    first = figures.stock_at_risk[0]
    cover = first.days_of_cover.quantize(TENTH, ROUND_HALF_UP)
    products = "product" if first.products_at_risk == 1 else "products"
    left = f"{first.stock_level:,} left, enough for {cover} days" if first.stock_level > 0 else "none left"
    delivery = f"{first.lead_days} day" if first.lead_days == 1 else f"{first.lead_days} days"
    yield Insight(
        "stock",
        f"As of today, {first.products_at_risk:,} {products} will run out before the supplier can deliver, "
        f"first {first.product} in {first.store}: {left}, while delivery takes {delivery}.",
        {
            "products_at_risk": Decimal(first.products_at_risk),
            "stock_level": Decimal(first.stock_level),
            "days_of_cover": cover,
            "lead_days": Decimal(first.lead_days),
        },
    )


def _signed(amount: Decimal) -> str:
    return f"{amount:+,.2f}"
