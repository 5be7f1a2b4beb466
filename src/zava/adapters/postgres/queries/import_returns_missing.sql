-- Which returns of the stores in the file, between their first and last day in it, are not in it? They go.
WITH gone AS (
    DELETE FROM retail.returns AS known
    USING (
        SELECT
            goods.store_id,
            goods.return_id,
            goods.order_id,
            goods.line_no,
            goods.returned_on,
            row_number() OVER (
                PARTITION BY goods.store_id, goods.order_id, goods.line_no, goods.returned_on
                ORDER BY goods.quantity, goods.refund_amount, goods.reason, goods.return_id
            ) AS number
        FROM retail.returns AS goods
        INNER JOIN (
            SELECT counted.store_id, min(counted.returned_on) AS first_day, max(counted.returned_on) AS last_day
            FROM retail.staged_returns_counted AS counted
            GROUP BY counted.store_id
        ) AS covered
            ON goods.store_id = covered.store_id
            AND goods.returned_on BETWEEN covered.first_day AND covered.last_day
    ) AS numbered
    WHERE known.store_id = numbered.store_id
        AND known.return_id = numbered.return_id
        AND NOT EXISTS (
            SELECT FROM retail.staged_returns_counted AS counted
            WHERE counted.store_id = numbered.store_id
                AND counted.order_id = numbered.order_id
                AND counted.line_no = numbered.line_no
                AND counted.returned_on = numbered.returned_on
                AND counted.number = numbered.number
        )
    RETURNING 1
)

SELECT 'removed', count(*) FROM gone;
