-- What does each store mean to turn over, by month?
WITH changed AS (
    UPDATE retail.store_targets AS known
    SET revenue_target = staged.revenue_target
    FROM retail.staged_targets AS staged
    INNER JOIN retail.stores AS store ON staged.store = store.name
    WHERE known.store_id = store.store_id
        AND known.month = staged.month
        AND known.revenue_target <> staged.revenue_target
    RETURNING 1
)

SELECT 'changed', count(*) FROM changed;

WITH added AS (
    INSERT INTO retail.store_targets (store_id, month, revenue_target)
    SELECT store.store_id, staged.month, staged.revenue_target
    FROM retail.staged_targets AS staged
    INNER JOIN retail.stores AS store ON staged.store = store.name
    WHERE NOT EXISTS (
        SELECT FROM retail.store_targets AS known
        WHERE known.store_id = store.store_id AND known.month = staged.month
    )
    RETURNING 1
)

SELECT 'new', count(*) FROM added;
