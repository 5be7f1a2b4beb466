-- As of which moment is this, and how many days of stores have changed since they were summed?
SELECT
    CASE
        WHEN NOT pg_is_in_recovery() THEN now()
        ELSE coalesce(pg_last_xact_replay_timestamp(), (pg_control_checkpoint()).checkpoint_time)
    END AS as_of,
    count(DISTINCT (change.store_id, change.day)) AS unrolled_days
FROM retail.sales_changes AS change
WHERE change.day BETWEEN %(rolled_from)s AND %(rolled_until)s
