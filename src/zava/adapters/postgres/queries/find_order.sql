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
LEFT JOIN retail.customers AS customer
    ON sale.store_id = customer.store_id AND sale.customer_id = customer.customer_id
WHERE sale.store_id = ANY (%(stores)s) AND sale.order_number = %(order_number)s
ORDER BY sale.order_date DESC, store.name
