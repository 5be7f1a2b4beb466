-- What did these stores sell in the period and in the one before, in orders that were not cancelled?
-- Two rows, the period first; lines and orders are summed apart, since a join would count orders twice.
WITH periods (is_current, first_day, last_day) AS (
    VALUES
        (true, %(first_day)s::date, %(last_day)s::date),
        (false, %(previous_first_day)s::date, %(previous_last_day)s::date)
)

SELECT
    coalesce(lines.revenue, 0) AS revenue,
    coalesce(lines.cost, 0) AS cost,
    coalesce(lines.units, 0) AS units,
    sold.orders,
    sold.customers,
    coalesce(returned.refunds, 0) AS returned_amount
FROM periods
CROSS JOIN LATERAL (
    SELECT
        sum(item.line_total) AS revenue,
        sum(item.quantity * item.unit_cost) AS cost,
        sum(item.quantity) AS units
    FROM retail.order_items AS item
    INNER JOIN retail.orders AS sale
        ON item.store_id = sale.store_id AND item.order_id = sale.order_id AND item.order_date = sale.order_date
    WHERE item.store_id = ANY (%(stores)s)
        AND item.order_date BETWEEN periods.first_day AND periods.last_day
        AND sale.store_id = ANY (%(stores)s)
        AND sale.order_date BETWEEN periods.first_day AND periods.last_day
        AND sale.status <> 'cancelled'
) AS lines
CROSS JOIN LATERAL (
    SELECT
        count(*) AS orders,
        count(DISTINCT sale.customer_id) AS customers
    FROM retail.orders AS sale
    WHERE sale.store_id = ANY (%(stores)s)
        AND sale.order_date BETWEEN periods.first_day AND periods.last_day
        AND sale.status <> 'cancelled'
) AS sold
CROSS JOIN LATERAL (
    SELECT sum(goods.refund_amount) AS refunds
    FROM retail.returns AS goods
    WHERE goods.store_id = ANY (%(stores)s)
        AND goods.returned_on BETWEEN periods.first_day AND periods.last_day
) AS returned
ORDER BY periods.is_current DESC
