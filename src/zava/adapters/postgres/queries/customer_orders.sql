-- What has this customer bought and brought back? An object of JSON for each order.
SELECT
    json_build_object(
        'store', store.name,
        'order_number', sale.order_number,
        'ordered_at', sale.ordered_at,
        'status', sale.status,
        'total_amount', sale.total_amount::text,
        'lines', (
            SELECT
                json_agg(
                    json_build_object(
                        'line_no', item.line_no,
                        'sku', product.sku,
                        'name', product.name,
                        'quantity', item.quantity,
                        'unit_price', item.unit_price::text,
                        'discount_amount', item.discount_amount::text,
                        'line_total', item.line_total::text
                    ) ORDER BY item.line_no
                )
            FROM retail.order_items AS item
            INNER JOIN retail.products AS product ON item.product_id = product.product_id
            WHERE item.store_id = sale.store_id AND item.order_id = sale.order_id
        ),
        'returns', (
            SELECT
                json_agg(
                    json_build_object(
                        'line_no', goods.line_no,
                        'returned_on', goods.returned_on,
                        'quantity', goods.quantity,
                        'refund_amount', goods.refund_amount::text,
                        'reason', goods.reason
                    ) ORDER BY goods.returned_on, goods.line_no
                )
            FROM retail.returns AS goods
            WHERE goods.store_id = sale.store_id AND goods.order_id = sale.order_id
        )
    ) AS placed
FROM retail.orders AS sale
INNER JOIN retail.stores AS store ON sale.store_id = store.store_id
WHERE sale.customer_id = ANY (%(customers)s)
ORDER BY sale.ordered_at, store.name, sale.order_number;
