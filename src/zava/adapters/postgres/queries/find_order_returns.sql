-- What came back of the orders of this number?
SELECT
    back.store_id,
    back.line_no,
    back.returned_on,
    back.quantity,
    back.refund_amount,
    back.reason
FROM retail.orders AS sale
INNER JOIN retail.returns AS back ON sale.store_id = back.store_id AND sale.order_id = back.order_id
WHERE sale.store_id = ANY (%(stores)s) AND sale.order_number = %(order_number)s
ORDER BY back.store_id, back.line_no, back.returned_on, back.return_id
