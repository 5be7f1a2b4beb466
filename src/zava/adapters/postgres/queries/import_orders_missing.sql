-- Which orders of the stores in the file, between their first and last day in it, are not in it? They go with their
-- lines, unless goods of them came back.
CREATE UNLOGGED TABLE retail.staged_orders_gone AS
SELECT
    known.store_id,
    known.order_id,
    EXISTS (
        SELECT FROM retail.returns AS goods
        WHERE goods.store_id = known.store_id AND goods.order_id = known.order_id
    ) AS stays
FROM retail.orders AS known
INNER JOIN (
    SELECT whole.store_id, min(whole.order_date) AS first_day, max(whole.order_date) AS last_day
    FROM retail.staged_orders_whole AS whole
    GROUP BY whole.store_id
) AS covered
    ON known.store_id = covered.store_id AND known.order_date BETWEEN covered.first_day AND covered.last_day
WHERE NOT EXISTS (
    SELECT FROM retail.staged_orders_whole AS whole
    WHERE whole.store_id = known.store_id AND whole.order_id = known.order_id
);

WITH gone AS (
    DELETE FROM retail.order_items AS known
    USING retail.staged_orders_gone AS missing
    WHERE known.store_id = missing.store_id AND known.order_id = missing.order_id AND NOT missing.stays
    RETURNING 1
)

SELECT 'removed', count(*) FROM gone;

WITH gone AS (
    DELETE FROM retail.orders AS known
    USING retail.staged_orders_gone AS missing
    WHERE known.store_id = missing.store_id AND known.order_id = missing.order_id AND NOT missing.stays
    RETURNING 1
)

SELECT 'removed', count(*) FROM gone;

SELECT 'kept', count(*) FROM retail.staged_orders_gone AS missing WHERE missing.stays;

DROP TABLE retail.staged_orders_gone;
