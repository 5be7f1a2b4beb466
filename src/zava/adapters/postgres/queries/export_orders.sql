-- What was sold, line by line?
SELECT
    store.name AS store,
    sale.order_number,
    sale.ordered_at,
    sale.status,
    coalesce(
        customer.customer_number, CASE WHEN customer.email IS NULL THEN customer.customer_id::text END
    ) AS customer_number,
    customer.email AS customer_email,
    item.line_no,
    product.sku,
    item.quantity,
    item.unit_price,
    item.unit_cost,
    item.discount_percent,
    item.discount_amount
FROM retail.order_items AS item
INNER JOIN retail.orders AS sale ON item.store_id = sale.store_id AND item.order_id = sale.order_id
INNER JOIN retail.stores AS store ON item.store_id = store.store_id
INNER JOIN retail.products AS product ON item.product_id = product.product_id
LEFT JOIN retail.customer_records AS customer
    ON sale.store_id = customer.store_id AND sale.customer_id = customer.customer_id
ORDER BY store.name, sale.order_number, item.line_no;
