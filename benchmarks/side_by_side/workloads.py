"""What is asked: as plain SQL, as a model writes it for a server that runs SQL, and of the tool that is made for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from side_by_side.load import Question
from side_by_side.servers import Server
from zava.adapters.embeddings.local import MODEL, LocalEmbeddings

STORES = ("Seattle", "Bellevue", "Tacoma", "Spokane", "Everett", "Redmond", "Kirkland", "Online")
# In other words than the products' own, where words would count besides what they mean.
NEEDS = (
    "stop a dripping tap",
    "hang a heavy mirror",
    "keep leaves out of the gutter",
    "make the hallway brighter",
    "fix a wobbly chair",
    "get rid of weeds",
    "cut a board to length",
    "keep my hands clean while painting",
)

LAST_ORDERS = """
SELECT o.order_number, o.order_date, count(*) AS lines, sum(i.line_total) AS total
FROM (
    SELECT store_id, order_id, order_number, order_date FROM retail.orders
    WHERE store_id = (SELECT store_id FROM retail.stores WHERE name = '{store}')
    ORDER BY order_date DESC, order_number DESC LIMIT 10
) AS o
JOIN retail.order_items AS i USING (store_id, order_id)
GROUP BY 1, 2 ORDER BY 2 DESC, 1 DESC
"""
# Less than get_store_performance tells, which also has returns, customers, margins, targets and findings.
STORE_MONTH = """
WITH line AS (
    SELECT o.order_id, o.order_date >= '{first_day}' AS now, i.product_id, i.quantity, i.line_total
    FROM retail.orders AS o
    JOIN retail.order_items AS i USING (store_id, order_id)
    WHERE o.store_id = (SELECT store_id FROM retail.stores WHERE name = '{store}')
        AND o.order_date >= '{previous}' AND o.order_date < '{next}' AND o.status <> 'cancelled'
), month AS (
    SELECT
        sum(line_total) FILTER (WHERE now) AS revenue, count(DISTINCT order_id) FILTER (WHERE now) AS orders,
        sum(quantity) FILTER (WHERE now) AS units, sum(line_total) FILTER (WHERE NOT now) AS previous_revenue,
        count(DISTINCT order_id) FILTER (WHERE NOT now) AS previous_orders
    FROM line
), best AS (
    SELECT p.name AS product, sum(line.line_total) AS product_revenue
    FROM line JOIN retail.products AS p USING (product_id)
    WHERE now GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5
)
SELECT best.product, best.product_revenue, month.* FROM best CROSS JOIN month ORDER BY 2 DESC, 1
"""
ALL_YEARS = """
SELECT
    date_trunc('month', o.order_date)::date AS month, s.name AS store, c.name AS category,
    sum(i.line_total) AS revenue
FROM retail.orders AS o
JOIN retail.order_items AS i USING (store_id, order_id)
JOIN retail.stores AS s USING (store_id)
JOIN retail.products AS p USING (product_id)
JOIN retail.product_types AS t USING (product_type_id)
JOIN retail.categories AS c USING (category_id)
WHERE o.status <> 'cancelled'
GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT 100
"""
MANY_ROWS = """
SELECT
    o.order_number, i.line_no, o.order_date, p.name AS product,
    i.quantity, i.unit_price, i.discount_amount, i.line_total
FROM retail.orders AS o
JOIN retail.order_items AS i USING (store_id, order_id)
JOIN retail.products AS p USING (product_id)
WHERE o.store_id = (SELECT store_id FROM retail.stores WHERE name = 'Seattle')
    AND o.order_number BETWEEN {first} AND {first} + 199
ORDER BY 1, 2 LIMIT 200
"""
NEAREST = """
SELECT p.sku, p.name, p.base_price, 1 - (e.embedding <=> '{vector}'::vector) AS similarity
FROM retail.product_description_embeddings AS e JOIN retail.products AS p USING (product_id)
WHERE e.model = '{model}'
ORDER BY e.embedding <=> '{vector}'::vector LIMIT 10
"""


@dataclass(frozen=True)
class Workload:
    """Questions of one kind.

    Attributes:
        title: what they ask.
        queries: as SQL.
        calls: of the tool that is made for them, one for each query; none where there is no such tool.
        slow: whether one may take seconds, so that it is asked once at a time.
    """

    name: str
    title: str
    queries: tuple[str, ...]
    calls: tuple[Question, ...] = ()
    slow: bool = False

    def questions(self, server: Server) -> Sequence[Question]:
        """As this server is asked them."""
        if server.command.governed and self.calls:
            return self.calls
        return [Question(server.command.tool, {server.command.argument: query}) for query in self.queries]


def _month(store: str, first_day: date) -> str:
    return STORE_MONTH.format(
        store=store, previous=_months_later(first_day, -1), first_day=first_day, next=_months_later(first_day, 1)
    )


def _months_later(day: date, months: int) -> date:
    month = day.year * 12 + day.month - 1 + months
    return date(month // 12, month % 12 + 1, 1)


def _performance(store: str, first_day: date) -> Question:
    return Question("get_store_performance", {"store": store, "period": f"{first_day:%Y-%m}"})


async def workloads() -> tuple[Workload, ...]:
    """All of them."""
    this_month = datetime.now(UTC).date().replace(day=1)
    # Whole months, each store in another order.
    months = [
        (store, _months_later(this_month, -1 - (5 * n + 7 * m) % 36))
        for m in range(8)
        for n, store in enumerate(STORES)
    ]
    model = LocalEmbeddings()
    vectors = await model.embed(NEEDS)
    await model.close()
    return (
        Workload("W1", "`SELECT 1`", ("SELECT 1 AS one",)),
        Workload("W2", "last 10 orders of a store", tuple(LAST_ORDERS.format(store=store) for store in STORES)),
        Workload(
            "W3",
            "month report of a store, 64 of them",
            tuple(_month(*one) for one in months),
            tuple(_performance(*one) for one in months),
        ),
        Workload(
            "W4",
            "month × store × category over all years, the best 100",
            (ALL_YEARS,),
            (
                Question(
                    "analyze_sales",
                    {
                        "metrics": ["revenue"],
                        "period": "all_time",
                        "group_by": ["month", "store", "category"],
                        "order_by": "revenue desc",
                        "limit": 100,
                    },
                ),
            ),
            slow=True,
        ),
        Workload("W5", "one month report again and again", (_month(*months[0]),), (_performance(*months[0]),)),
        Workload(
            "W6", "200 rows of 8 columns", tuple(MANY_ROWS.format(first=first) for first in range(500, 2_100, 200))
        ),
        Workload(
            "W7",
            "the 10 products that answer a need best",
            tuple(
                NEAREST.format(vector="[" + ",".join(f"{x:.6f}" for x in vector) + "]", model=MODEL.name)
                for vector in vectors
            ),
            tuple(Question("semantic_search_products", {"query_description": need, "max_rows": 10}) for need in NEEDS),
        ),
    )
