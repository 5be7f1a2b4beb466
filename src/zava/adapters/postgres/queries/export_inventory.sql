-- What is in stock?
SELECT store.name AS store, product.sku, stock.stock_level, stock.reorder_level
FROM retail.inventory AS stock
INNER JOIN retail.stores AS store ON stock.store_id = store.store_id
INNER JOIN retail.products AS product ON stock.product_id = product.product_id
ORDER BY store.name, product.sku;
