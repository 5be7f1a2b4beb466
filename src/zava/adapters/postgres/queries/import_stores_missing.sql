-- Which stores are not in the file? They go, unless something is known of them.
WITH gone AS (
    DELETE FROM retail.stores AS known
    WHERE NOT EXISTS (SELECT FROM retail.staged_stores AS staged WHERE staged.name = known.name)
        AND NOT EXISTS (SELECT FROM retail.customer_records AS other WHERE other.store_id = known.store_id)
        AND NOT EXISTS (SELECT FROM retail.inventory AS other WHERE other.store_id = known.store_id)
        AND NOT EXISTS (SELECT FROM retail.orders AS other WHERE other.store_id = known.store_id)
        AND NOT EXISTS (SELECT FROM retail.store_targets AS other WHERE other.store_id = known.store_id)
    RETURNING 1
)

SELECT 'removed', count(*) FROM gone;

SELECT 'kept', count(*)
FROM retail.stores AS known
WHERE NOT EXISTS (SELECT FROM retail.staged_stores AS staged WHERE staged.name = known.name);
