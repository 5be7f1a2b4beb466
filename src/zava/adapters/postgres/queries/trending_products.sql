-- Which products sell better than in the comparable period before, beyond chance? In the principal's own stores. Units
-- are counts, so the difference is held against its spread: (now − before) / √(now + before).
WITH sold AS (
    SELECT
        item.product_id,
        coalesce(sum(item.quantity) FILTER (WHERE item.order_date >= %(first_day)s), 0) AS units,
        coalesce(sum(item.quantity) FILTER (WHERE item.order_date < %(first_day)s), 0) AS previous_units
    FROM retail.order_items AS item
    INNER JOIN retail.orders AS sale
        ON item.store_id = sale.store_id AND item.order_id = sale.order_id AND item.order_date = sale.order_date
    WHERE sale.status <> 'cancelled'
        AND (
            item.order_date BETWEEN %(first_day)s AND %(last_day)s
            OR item.order_date BETWEEN %(previous_first_day)s AND %(previous_last_day)s
        )
        AND (
            NOT %(in_stock_only)s
            OR item.product_id IN (SELECT stock.product_id FROM retail.inventory AS stock WHERE stock.stock_level > 0)
        )
    GROUP BY item.product_id
),

found AS (
    SELECT
        product_id,
        units,
        previous_units,
        (units - previous_units) / sqrt(units + previous_units) AS strength
    FROM sold
    WHERE units > previous_units
    ORDER BY strength DESC, product_id
    LIMIT %(max_rows)s
)

SELECT
    card.*,
    found.units::integer AS units,
    found.previous_units::integer AS previous_units
FROM found AS found
CROSS JOIN LATERAL retail.product_card(found.product_id, %(tell_availability)s) AS card
ORDER BY found.strength DESC, found.product_id
