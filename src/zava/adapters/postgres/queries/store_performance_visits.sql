-- How many orders and customers did these stores have in the period and in the one before, and what came back?
-- Two rows, the period first. These do not add up from categories, so they are counted apart.
SELECT
    sold.orders,
    sold.customers,
    coalesce(returned.refunds, 0) AS returned_amount
FROM (
    VALUES
        (1, %(first_day)s::date, %(last_day)s::date),
        (2, %(previous_first_day)s::date, %(previous_last_day)s::date)
) AS period (place, first_day, last_day)
CROSS JOIN LATERAL (
    -- Grouping by hash is several times as fast as count(DISTINCT), which sorts.
    SELECT
        coalesce(sum(customer.orders), 0)::bigint AS orders,
        count(customer.customer_id) AS customers
    FROM (
        SELECT sale.customer_id, count(*) AS orders
        FROM retail.orders AS sale
        WHERE sale.store_id = ANY (%(stores)s)
            AND sale.order_date BETWEEN period.first_day AND period.last_day
            AND sale.status <> 'cancelled'
        GROUP BY sale.customer_id
    ) AS customer
) AS sold
CROSS JOIN LATERAL (
    SELECT sum(goods.refund_amount) AS refunds
    FROM retail.returns AS goods
    WHERE goods.store_id = ANY (%(stores)s)
        AND goods.returned_on BETWEEN period.first_day AND period.last_day
) AS returned
ORDER BY period.place
