-- What came back?
SELECT
    store.name AS store,
    sale.order_number,
    goods.line_no,
    goods.returned_on,
    goods.quantity,
    goods.refund_amount,
    goods.reason
FROM retail.returns AS goods
INNER JOIN retail.orders AS sale ON goods.store_id = sale.store_id AND goods.order_id = sale.order_id
INNER JOIN retail.stores AS store ON goods.store_id = store.store_id
ORDER BY store.name, sale.order_number, goods.line_no, goods.returned_on, goods.quantity, goods.refund_amount, goods.reason;
