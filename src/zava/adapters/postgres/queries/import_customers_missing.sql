-- Which customers of the stores in the file are not in it? They go, unless they have ordered.
CREATE UNLOGGED TABLE retail.staged_customers_gone AS
SELECT known.store_id, known.customer_id
FROM retail.customer_records AS known
WHERE known.store_id IN (SELECT found.store_id FROM retail.staged_customers_found AS found)
    AND NOT EXISTS (
        SELECT
        FROM retail.staged_customers AS staged
        INNER JOIN retail.stores AS store ON staged.store = store.name
        WHERE store.store_id = known.store_id
            AND staged.customer_number = coalesce(known.customer_number, known.customer_id::text)
    )
    AND NOT EXISTS (
        SELECT
        FROM retail.staged_customers AS staged
        INNER JOIN retail.stores AS store ON staged.store = store.name
        WHERE store.store_id = known.store_id AND staged.email = known.email
    );

WITH gone AS (
    DELETE FROM retail.customer_records AS known
    USING retail.staged_customers_gone AS missing
    WHERE known.store_id = missing.store_id
        AND known.customer_id = missing.customer_id
        AND NOT EXISTS (
            SELECT FROM retail.orders AS sale
            WHERE sale.store_id = known.store_id AND sale.customer_id = known.customer_id
        )
    RETURNING 1
)

SELECT 'removed', count(*) FROM gone;

SELECT 'kept', count(*)
FROM retail.customer_records AS known
INNER JOIN retail.staged_customers_gone AS missing
    ON known.store_id = missing.store_id AND known.customer_id = missing.customer_id;

DROP TABLE retail.staged_customers_gone;
