-- Which products are not in the file? They go. Those that were sold, or lie in a store, stay and are discontinued.
WITH gone AS (
    DELETE FROM retail.products AS known
    WHERE NOT EXISTS (SELECT FROM retail.staged_products AS staged WHERE staged.sku = known.sku)
        AND NOT EXISTS (SELECT FROM retail.inventory AS other WHERE other.product_id = known.product_id)
        AND NOT EXISTS (SELECT FROM retail.order_items AS other WHERE other.product_id = known.product_id)
    RETURNING 1
)

SELECT 'removed', count(*) FROM gone;

UPDATE retail.products AS known
SET discontinued = true
WHERE NOT known.discontinued
    AND NOT EXISTS (SELECT FROM retail.staged_products AS staged WHERE staged.sku = known.sku);

SELECT 'kept', count(*)
FROM retail.products AS known
WHERE NOT EXISTS (SELECT FROM retail.staged_products AS staged WHERE staged.sku = known.sku);
