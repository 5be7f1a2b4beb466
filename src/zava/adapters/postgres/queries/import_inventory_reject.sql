-- Which stock is there twice, or of no store or product?
INSERT INTO retail.staged_inventory_rejected (line, reason)
SELECT problem.line, problem.reason
FROM (
    SELECT
        staged.line,
        CASE
            WHEN store.store_id IS NULL THEN format('store: there is no %L', staged.store)
            WHEN product.product_id IS NULL THEN format('sku: there is no %L', staged.sku)
            WHEN coalesce(lag(staged.line) OVER twins, lead(staged.line) OVER twins) IS NOT NULL
                THEN format(
                    'sku: %L of this store stands on line %s too',
                    staged.sku,
                    coalesce(lag(staged.line) OVER twins, lead(staged.line) OVER twins)
                )
        END AS reason
    FROM retail.staged_inventory AS staged
    LEFT JOIN retail.stores AS store ON staged.store = store.name
    LEFT JOIN retail.products AS product ON staged.sku = product.sku
    WINDOW twins AS (PARTITION BY staged.store, staged.sku ORDER BY staged.line)
) AS problem
WHERE problem.reason IS NOT NULL;
