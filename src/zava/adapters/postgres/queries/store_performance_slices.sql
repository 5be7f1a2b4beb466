-- What was sold in the period and in the one before: in all, by category, and of the best-selling products?
-- Months are read from the sums by product, each where the store has no sales in it on days that are not asked for, and
-- none that changed since; others from the orders. What is cancelled is taken out, rather than the rest joined: the
-- planner would take the days of a line and those of its order for independent, and expect far too few rows.
-- price_effect: for each product sold in both periods, its change in average price times the units sold now.
WITH period (is_current, first_day, last_day) AS (
    VALUES
        (true, %(first_day)s::date, %(last_day)s::date),
        (false, %(previous_first_day)s::date, %(previous_last_day)s::date)
),

store_month AS MATERIALIZED (
    SELECT
        period.is_current,
        asked.store_id,
        month.first_day::date AS month,
        greatest(month.first_day::date, period.first_day) AS first_day,
        least((month.first_day + interval '1 month')::date - 1, period.last_day) AS last_day,
        EXISTS (
            SELECT FROM retail.sales_changes AS change
            WHERE change.store_id = asked.store_id
                AND change.day BETWEEN month.first_day AND month.first_day + interval '1 month - 1 day'
        ) OR EXISTS (
            SELECT FROM retail.sales_by_day AS other
            WHERE other.store_id = asked.store_id
                AND other.day BETWEEN month.first_day AND month.first_day + interval '1 month - 1 day'
                AND other.day NOT BETWEEN period.first_day AND period.last_day
        ) AS unrolled
    FROM period
    CROSS JOIN unnest(%(stores)s::uuid[]) AS asked (store_id)
    CROSS JOIN LATERAL generate_series(
        date_trunc('month', period.first_day::timestamp), period.last_day::timestamp, interval '1 month'
    ) AS month (first_day)
),

part AS (
    SELECT store_month.is_current, summed.product_id, summed.revenue, summed.cost, summed.units
    FROM store_month
    -- One month after the other, each by the index: a join would read all months of these stores.
    CROSS JOIN LATERAL (
        SELECT monthly.product_id, monthly.revenue, monthly.cost, monthly.units
        FROM retail.sales_by_product AS monthly
        WHERE monthly.store_id = store_month.store_id AND monthly.month = store_month.month
        OFFSET 0
    ) AS summed
    WHERE NOT store_month.unrolled
    UNION ALL
    SELECT store_month.is_current, line.product_id, line.revenue, line.cost, line.units
    FROM store_month
    -- As above.
    CROSS JOIN LATERAL (
        SELECT
            item.product_id,
            item.line_total AS revenue,
            item.quantity * item.unit_cost AS cost,
            item.quantity AS units
        FROM retail.order_items AS item
        WHERE item.store_id = store_month.store_id
            AND item.order_date BETWEEN store_month.first_day AND store_month.last_day
            AND NOT EXISTS (
                SELECT FROM retail.orders AS sale
                WHERE sale.store_id = item.store_id
                    AND sale.order_id = item.order_id
                    AND sale.store_id = store_month.store_id
                    AND sale.order_date BETWEEN store_month.first_day AND store_month.last_day
                    AND sale.status = 'cancelled'
            )
        OFFSET 0
    ) AS line
    WHERE store_month.unrolled
),

sold AS (
    SELECT
        product_id,
        coalesce(sum(revenue) FILTER (WHERE is_current), 0) AS revenue,
        coalesce(sum(cost) FILTER (WHERE is_current), 0) AS cost,
        coalesce(sum(units) FILTER (WHERE is_current), 0) AS units,
        coalesce(sum(revenue) FILTER (WHERE NOT is_current), 0) AS previous_revenue,
        coalesce(sum(cost) FILTER (WHERE NOT is_current), 0) AS previous_cost,
        coalesce(sum(units) FILTER (WHERE NOT is_current), 0) AS previous_units
    FROM part
    GROUP BY product_id
),

priced AS (
    SELECT
        sold.*,
        product.name AS product,
        category.name AS category,
        CASE
            WHEN sold.units > 0 AND sold.previous_units > 0
                THEN sold.revenue - sold.units * sold.previous_revenue / sold.previous_units
            ELSE 0
        END AS price_effect
    FROM sold
    INNER JOIN retail.products AS product ON sold.product_id = product.product_id
    INNER JOIN retail.product_types AS product_type ON product.product_type_id = product_type.product_type_id
    INNER JOIN retail.categories AS category ON product_type.category_id = category.category_id
    WHERE sold.units > 0 OR sold.previous_units > 0
),

best AS (
    SELECT * FROM priced
    WHERE units > 0
    ORDER BY revenue DESC, product ASC
    LIMIT %(products)s
)

SELECT
    CASE WHEN grouping(category) = 1 THEN 'all' ELSE 'category' END AS slice,
    coalesce(category, '') AS name,
    coalesce(sum(revenue), 0) AS revenue,
    coalesce(sum(cost), 0) AS cost,
    coalesce(sum(units), 0)::bigint AS units,
    coalesce(sum(previous_revenue), 0) AS previous_revenue,
    coalesce(sum(previous_cost), 0) AS previous_cost,
    coalesce(sum(previous_units), 0)::bigint AS previous_units,
    coalesce(sum(price_effect), 0) AS price_effect
FROM priced
GROUP BY GROUPING SETS ((), (category))
UNION ALL
SELECT 'product', product, revenue, cost, units::bigint, previous_revenue, previous_cost, previous_units::bigint, price_effect
FROM best
ORDER BY slice, revenue DESC, name
