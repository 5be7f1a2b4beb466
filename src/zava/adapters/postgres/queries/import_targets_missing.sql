-- Which targets of the stores in the file, between their first and last month in it, are not in it? They go.
WITH gone AS (
    DELETE FROM retail.store_targets AS known
    USING (
        SELECT store.store_id, staged.store, min(staged.month) AS first_month, max(staged.month) AS last_month
        FROM retail.staged_targets AS staged
        INNER JOIN retail.stores AS store ON staged.store = store.name
        GROUP BY store.store_id, staged.store
    ) AS covered
    WHERE known.store_id = covered.store_id
        AND known.month BETWEEN covered.first_month AND covered.last_month
        AND NOT EXISTS (
            SELECT FROM retail.staged_targets AS staged
            WHERE staged.store = covered.store AND staged.month = known.month
        )
    RETURNING 1
)

SELECT 'removed', count(*) FROM gone;
