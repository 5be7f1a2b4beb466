-- Which targets are there twice, or of no store?
INSERT INTO retail.staged_targets_rejected (line, reason)
SELECT problem.line, problem.reason
FROM (
    SELECT
        staged.line,
        CASE
            WHEN store.store_id IS NULL THEN format('store: there is no %L', staged.store)
            WHEN coalesce(lag(staged.line) OVER twins, lead(staged.line) OVER twins) IS NOT NULL
                THEN format(
                    'month: that of this store stands on line %s too',
                    coalesce(lag(staged.line) OVER twins, lead(staged.line) OVER twins)
                )
        END AS reason
    FROM retail.staged_targets AS staged
    LEFT JOIN retail.stores AS store ON staged.store = store.name
    WINDOW twins AS (PARTITION BY staged.store, staged.month ORDER BY staged.line)
) AS problem
WHERE problem.reason IS NOT NULL;
