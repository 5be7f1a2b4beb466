-- What came back, of which line and on which day?
CREATE UNLOGGED TABLE retail.staged_returns_found AS
SELECT staged.*, counted.store_id, counted.order_id, known.return_id
FROM retail.staged_returns_counted AS counted
INNER JOIN retail.staged_returns AS staged ON counted.line = staged.line
LEFT JOIN (
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
) AS known
    ON counted.store_id = known.store_id
    AND counted.order_id = known.order_id
    AND counted.line_no = known.line_no
    AND counted.returned_on = known.returned_on
    AND counted.number = known.number;

WITH changed AS (
    UPDATE retail.returns AS known
    SET
        quantity = found.quantity,
        refund_amount = found.refund_amount,
        reason = coalesce(found.reason, known.reason)
    FROM retail.staged_returns_found AS found
    WHERE known.store_id = found.store_id
        AND known.return_id = found.return_id
        AND (found.quantity, found.refund_amount, coalesce(found.reason, known.reason))
            IS DISTINCT FROM (known.quantity, known.refund_amount, known.reason)
    RETURNING 1
)

SELECT 'changed', count(*) FROM changed;

WITH added AS (
    INSERT INTO retail.returns (store_id, order_id, line_no, returned_on, quantity, refund_amount, reason)
    SELECT
        found.store_id, found.order_id, found.line_no, found.returned_on, found.quantity, found.refund_amount,
        coalesce(found.reason, '')
    FROM retail.staged_returns_found AS found
    WHERE found.return_id IS NULL
    RETURNING 1
)

SELECT 'new', count(*) FROM added;

DROP TABLE retail.staged_returns_found;
