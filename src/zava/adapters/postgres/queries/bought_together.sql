-- What do customers buy together with this product, more often than chance would have it? Over the orders of the
-- principal's own stores: lift = P(both) / (P(one) × P(other)).
WITH cancelled AS MATERIALIZED (
    SELECT
        store_id,
        order_id
    FROM retail.orders
    WHERE order_date BETWEEN %(first_day)s AND %(last_day)s AND status = 'cancelled'
),

baskets AS MATERIALIZED (
    SELECT DISTINCT
        item.store_id,
        item.order_id
    FROM retail.order_items AS item
    LEFT JOIN cancelled ON item.store_id = cancelled.store_id AND item.order_id = cancelled.order_id
    WHERE item.product_id = %(product_id)s
        AND item.order_date BETWEEN %(first_day)s AND %(last_day)s
        AND cancelled.order_id IS NULL
),

-- An order may name a product on several lines. Counting what is distinct in a sub-select is three times as fast as
-- count(DISTINCT …), which sorts.
together AS MATERIALIZED (
    SELECT
        product_id,
        count(*) AS support
    FROM (
        SELECT DISTINCT
            item.product_id,
            item.store_id,
            item.order_id
        FROM baskets
        INNER JOIN retail.order_items AS item
            ON baskets.store_id = item.store_id AND baskets.order_id = item.order_id
        WHERE item.product_id <> %(product_id)s
            AND (
                NOT %(in_stock_only)s
                OR item.product_id IN (SELECT stock.product_id FROM retail.inventory AS stock WHERE stock.stock_level > 0)
            )
    ) AS beside
    GROUP BY product_id
    HAVING count(*) >= %(least_support)s
),

alone AS (
    SELECT
        product_id,
        count(*) AS orders
    FROM (
        SELECT DISTINCT
            item.product_id,
            item.store_id,
            item.order_id
        FROM retail.order_items AS item
        LEFT JOIN cancelled ON item.store_id = cancelled.store_id AND item.order_id = cancelled.order_id
        WHERE item.product_id IN (SELECT product_id FROM together)
            AND item.order_date BETWEEN %(first_day)s AND %(last_day)s
            AND cancelled.order_id IS NULL
    ) AS ordered
    GROUP BY product_id
),

totals AS MATERIALIZED (
    SELECT
        (SELECT count(*) FROM baskets) AS baskets,
        (
            SELECT count(*) FROM retail.orders
            WHERE order_date BETWEEN %(first_day)s AND %(last_day)s AND status <> 'cancelled'
        ) AS orders
),

found AS (
    SELECT
        together.product_id,
        together.support,
        alone.orders,
        together.support / chance.orders AS lift,
        -- How far beyond chance, held against its spread: three orders with both may well be chance, whatever their lift.
        (together.support - chance.orders) / sqrt(chance.orders) AS strength
    FROM together
    INNER JOIN alone ON together.product_id = alone.product_id
    CROSS JOIN totals
    CROSS JOIN LATERAL (SELECT totals.baskets::numeric * alone.orders / totals.orders AS orders) AS chance
    WHERE together.support > chance.orders
    ORDER BY strength DESC, together.product_id
    LIMIT %(max_rows)s
)

SELECT
    card.*,
    found.support::integer AS support,
    found.orders::integer AS orders,
    round(found.lift, 2) AS lift
FROM found AS found
CROSS JOIN LATERAL retail.product_card(found.product_id, %(tell_availability)s) AS card
ORDER BY found.strength DESC, found.product_id
