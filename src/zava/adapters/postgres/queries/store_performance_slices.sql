-- What was sold in the period and in the one before: in all, by category, and of the best-selling products?
-- One scan covers both periods; the days between them count for neither. Lines join their orders by store and number
-- alone, since the planner would take the date for a second, independent condition and expect far too few rows.
-- price_effect: for each product sold in both periods, its change in average price times the units sold now.
WITH sold AS (
    SELECT
        item.product_id,
        coalesce(sum(item.line_total) FILTER (WHERE item.order_date >= %(first_day)s), 0) AS revenue,
        coalesce(sum(item.quantity * item.unit_cost) FILTER (WHERE item.order_date >= %(first_day)s), 0) AS cost,
        coalesce(sum(item.quantity) FILTER (WHERE item.order_date >= %(first_day)s), 0) AS units,
        coalesce(sum(item.line_total) FILTER (WHERE item.order_date <= %(previous_last_day)s), 0) AS previous_revenue,
        coalesce(
            sum(item.quantity * item.unit_cost) FILTER (WHERE item.order_date <= %(previous_last_day)s), 0
        ) AS previous_cost,
        coalesce(sum(item.quantity) FILTER (WHERE item.order_date <= %(previous_last_day)s), 0) AS previous_units
    FROM retail.order_items AS item
    INNER JOIN retail.orders AS sale ON item.store_id = sale.store_id AND item.order_id = sale.order_id
    WHERE item.store_id = ANY (%(stores)s)
        AND item.order_date BETWEEN coalesce(%(previous_first_day)s, %(first_day)s) AND %(last_day)s
        AND sale.store_id = ANY (%(stores)s)
        AND sale.order_date BETWEEN coalesce(%(previous_first_day)s, %(first_day)s) AND %(last_day)s
        AND sale.status <> 'cancelled'
    GROUP BY item.product_id
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
