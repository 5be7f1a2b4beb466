-- What was sold in the orders of this number?
SELECT
    item.store_id,
    item.line_no,
    product.name AS product,
    product.sku,
    item.quantity,
    item.unit_price,
    item.discount_amount,
    item.line_total
FROM retail.orders AS sale
INNER JOIN retail.order_items AS item ON sale.store_id = item.store_id AND sale.order_id = item.order_id
INNER JOIN retail.products AS product ON item.product_id = product.product_id
WHERE sale.store_id = ANY (%(stores)s) AND sale.order_number = %(order_number)s
ORDER BY item.store_id, item.line_no
