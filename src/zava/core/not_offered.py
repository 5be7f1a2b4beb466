"""What people ask for and Zava does not have, with the nearest thing that it does have."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotOffered:
    """Something that the books of a shop do not hold.

    Attributes:
        name: what it is, in the plural; shown to people and models.
        nearest: what answers a part of the question, and how it is asked for.
        words: beginnings of words that ask for it.
    """

    name: str
    nearest: str
    words: tuple[str, ...]


NOT_OFFERED = (
    NotOffered(
        "demand forecasts",
        "the same days a year before, by compare_to of analyze_sales; how long stock lasts, by check_inventory",
        ("forecast", "predict", "projection", "projected", "demand", "outlook"),
    ),
    NotOffered(
        "staffing plans",
        "orders by hour and weekday, by analyze_sales",
        ("staff", "shift", "employee", "labor", "labour", "payroll", "wage", "headcount"),
    ),
    NotOffered(
        "promotions",
        "discount_amount and discount_percent, by analyze_sales",
        ("promo", "campaign", "coupon", "voucher", "marketing", "advert"),
    ),
    NotOffered(
        "competitors' prices",
        "one's own list prices, by semantic_search_products",
        ("competitor", "competition", "market", "rival"),
    ),
    NotOffered(
        "profits after overheads",
        "gross_margin and gross_margin_percent, by analyze_sales",
        ("profit", "overhead", "ebit", "earning", "income", "rent", "expense"),
    ),
    NotOffered(
        "visitor counts",
        "orders and customers, by analyze_sales",
        ("visitor", "footfall", "traffic", "conversion"),
    ),
)


def not_offered(name: str) -> NotOffered | None:
    """What a name such as net_profit asks for; None unless it is one of NOT_OFFERED."""
    words = re.findall(r"[a-z]+", name.lower())
    return next((one for one in NOT_OFFERED if any(word.startswith(one.words) for word in words)), None)
