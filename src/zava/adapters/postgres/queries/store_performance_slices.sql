-- Which categories sold in either period, and which products sold best in this one?
-- price_effect: for each product sold in both periods, its change in average price times the units sold now.
WITH sold AS (
    SELECT
        item.product_id,
        coalesce(sum(item.line_total) FILTER (WHERE period.is_current), 0) AS revenue,
        coalesce(sum(item.quantity * item.unit_cost) FILTER (WHERE period.is_current), 0) AS cost,
        coalesce(sum(item.quantity) FILTER (WHERE period.is_current), 0) AS units,
        coalesce(sum(item.line_total) FILTER (WHERE NOT period.is_current), 0) AS previous_revenue,
        coalesce(sum(item.quantity * item.unit_cost) FILTER (WHERE NOT period.is_current), 0) AS previous_cost,
        coalesce(sum(item.quantity) FILTER (WHERE NOT period.is_current), 0) AS previous_units
    FROM (
        VALUES
            (true, %(first_day)s::date, %(last_day)s::date),
            (false, %(previous_first_day)s::date, %(previous_last_day)s::date)
    ) AS period (is_current, first_day, last_day)
    INNER JOIN retail.order_items AS item
        ON item.order_date BETWEEN period.first_day AND period.last_day
    INNER JOIN retail.orders AS sale
        ON item.store_id = sale.store_id AND item.order_id = sale.order_id AND item.order_date = sale.order_date
    WHERE item.store_id = ANY (%(stores)s)
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
),

best AS (
    SELECT * FROM priced
    WHERE units > 0
    ORDER BY revenue DESC, product ASC
    LIMIT %(products)s
)

SELECT
    false AS is_product,
    category AS name,
    sum(revenue) AS revenue,
    sum(cost) AS cost,
    sum(units)::bigint AS units,
    sum(previous_revenue) AS previous_revenue,
    sum(previous_cost) AS previous_cost,
    sum(previous_units)::bigint AS previous_units,
    sum(price_effect) AS price_effect
FROM priced
GROUP BY category
UNION ALL
SELECT true, product, revenue, cost, units::bigint, previous_revenue, previous_cost, previous_units::bigint, price_effect
FROM best
ORDER BY is_product, revenue DESC, name
