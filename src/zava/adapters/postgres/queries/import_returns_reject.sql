-- Which returned goods fit no line of an order? Leaves behind which return each of the others is.
--
-- Returns of one line on one day have no key of their own: they are counted, in the order of what they say.
CREATE UNLOGGED TABLE retail.staged_returns_counted AS
SELECT
    staged.line,
    staged.store,
    store.store_id,
    sale.order_id,
    sold.line_no,
    sold.quantity AS sold,
    sum(staged.quantity) OVER (PARTITION BY staged.store, staged.order_number, staged.line_no) AS back,
    staged.returned_on,
    row_number() OVER (
        PARTITION BY staged.store, staged.order_number, staged.line_no, staged.returned_on
        ORDER BY staged.quantity, staged.refund_amount, coalesce(staged.reason, ''), staged.line
    ) AS number
FROM retail.staged_returns AS staged
LEFT JOIN retail.stores AS store ON staged.store = store.name
LEFT JOIN retail.orders AS sale ON store.store_id = sale.store_id AND staged.order_number = sale.order_number
LEFT JOIN retail.order_items AS sold
    ON sale.store_id = sold.store_id AND sale.order_id = sold.order_id AND staged.line_no = sold.line_no;

INSERT INTO retail.staged_returns_rejected (line, reason)
SELECT problem.line, problem.reason
FROM (
    SELECT
        counted.line,
        CASE
            WHEN counted.store_id IS NULL THEN format('store: there is no %L', counted.store)
            WHEN counted.order_id IS NULL
                THEN format('order_number: there is no order %s in %L', staged.order_number, counted.store)
            WHEN counted.line_no IS NULL
                THEN format('line_no: order %s has no line %s', staged.order_number, staged.line_no)
            WHEN counted.back > counted.sold
                THEN format('quantity: %s came back, and %s were sold', counted.back, counted.sold)
        END AS reason
    FROM retail.staged_returns_counted AS counted
    INNER JOIN retail.staged_returns AS staged ON counted.line = staged.line
) AS problem
WHERE problem.reason IS NOT NULL;

-- Without the rejected ones others may have other numbers, but no number is missing: a line's are rejected together.
DELETE FROM retail.staged_returns_counted AS counted
USING retail.staged_returns_rejected AS rejected
WHERE counted.line = rejected.line;
