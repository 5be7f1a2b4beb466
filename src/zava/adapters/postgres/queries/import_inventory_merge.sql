-- What is in stock, by store and product?
WITH said AS (
    SELECT store.store_id, product.product_id, staged.stock_level, staged.reorder_level
    FROM retail.staged_inventory AS staged
    INNER JOIN retail.stores AS store ON staged.store = store.name
    INNER JOIN retail.products AS product ON staged.sku = product.sku
),

changed AS (
    UPDATE retail.inventory AS known
    SET stock_level = said.stock_level, reorder_level = coalesce(said.reorder_level, known.reorder_level)
    FROM said
    WHERE known.store_id = said.store_id
        AND known.product_id = said.product_id
        AND (said.stock_level, coalesce(said.reorder_level, known.reorder_level))
            IS DISTINCT FROM (known.stock_level, known.reorder_level)
    RETURNING 1
)

SELECT 'changed', count(*) FROM changed;

WITH added AS (
    INSERT INTO retail.inventory (store_id, product_id, stock_level, reorder_level)
    SELECT store.store_id, product.product_id, staged.stock_level, coalesce(staged.reorder_level, 0)
    FROM retail.staged_inventory AS staged
    INNER JOIN retail.stores AS store ON staged.store = store.name
    INNER JOIN retail.products AS product ON staged.sku = product.sku
    WHERE NOT EXISTS (
        SELECT FROM retail.inventory AS known
        WHERE known.store_id = store.store_id AND known.product_id = product.product_id
    )
    RETURNING 1
)

SELECT 'new', count(*) FROM added;
