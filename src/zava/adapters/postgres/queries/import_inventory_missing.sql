-- Which stock of the stores in the file is not in it? It goes.
WITH gone AS (
    DELETE FROM retail.inventory AS known
    USING retail.stores AS store, retail.products AS product
    WHERE known.store_id = store.store_id
        AND known.product_id = product.product_id
        AND store.name IN (SELECT staged.store FROM retail.staged_inventory AS staged)
        AND NOT EXISTS (
            SELECT FROM retail.staged_inventory AS staged WHERE staged.store = store.name AND staged.sku = product.sku
        )
    RETURNING 1
)

SELECT 'removed', count(*) FROM gone;
