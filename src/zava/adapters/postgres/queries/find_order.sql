-- Which of these stores have an order of this number, and whose is it?
SELECT
    sale.store_id,
    store.name AS store,
    sale.order_number,
    sale.order_date,
    sale.ordered_at,
    sale.status,
    sale.total_amount,
    customer.first_name,
    customer.last_name,
    customer.email
FROM retail.orders AS sale
INNER JOIN retail.stores AS store ON sale.store_id = store.store_id
-- PostgreSQL does not join a view that guards its rows by index. Thus it looks up one customer at a time.
LEFT JOIN LATERAL (
    SELECT
        known.first_name,
        known.last_name,
        known.email
    FROM retail.customers AS known
    WHERE known.store_id = sale.store_id AND known.customer_id = sale.customer_id
    OFFSET 0
) AS customer ON true
WHERE sale.store_id = ANY (%(stores)s) AND sale.order_number = %(order_number)s
ORDER BY sale.order_date DESC, store.name
