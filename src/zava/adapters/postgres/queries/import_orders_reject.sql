-- Which lines of orders fit neither together nor into the shop? An order goes in whole, or not at all.
CREATE UNLOGGED TABLE retail.staged_orders_whole AS
SELECT
    whole.*,
    store.store_id,
    known.order_id IS NULL AS is_new,
    coalesce(known.order_id, gen_random_uuid()) AS order_id,
    (whole.moment AT TIME ZONE settings.time_zone)::date AS order_date,
    -- A file that does not say who bought leaves what is known.
    CASE WHEN whole.says_who THEN coalesce(numbered.customer_id, mailed.customer_id) ELSE known.customer_id END
        AS customer_id,
    whole.says_who
    AND coalesce(nullif(whole.customer_number, ''), nullif(whole.customer_email, '')) IS NOT NULL
    AND coalesce(numbered.customer_id, mailed.customer_id) IS NULL AS is_unknown,
    coalesce(whole.said_status, known.status, 'completed') AS status
FROM (
    SELECT
        staged.store,
        staged.order_number,
        min(staged.ordered_at)::timestamptz AS moment,
        min(staged.status) AS said_status,
        min(staged.customer_number) AS customer_number,
        min(staged.customer_email) AS customer_email,
        coalesce(min(staged.customer_number), min(staged.customer_email)) IS NOT NULL AS says_who,
        sum(staged.line_total) AS total_amount,
        min(staged.of_the_order) <> max(staged.of_the_order) AS differs
    FROM retail.staged_orders AS staged
    GROUP BY staged.store, staged.order_number
) AS whole
CROSS JOIN retail.business_settings AS settings
LEFT JOIN retail.stores AS store ON whole.store = store.name
LEFT JOIN retail.orders AS known ON store.store_id = known.store_id AND whole.order_number = known.order_number
LEFT JOIN retail.customer_records AS numbered
    ON store.store_id = numbered.store_id
    AND whole.customer_number = coalesce(
        numbered.customer_number, CASE WHEN numbered.email IS NULL THEN numbered.customer_id::text END
    )
LEFT JOIN retail.customer_records AS mailed
    ON store.store_id = mailed.store_id AND whole.customer_email = mailed.email;

ANALYZE retail.staged_orders_whole;

WITH bad_order AS (
    SELECT
        whole.store,
        whole.order_number,
        CASE
            WHEN whole.store_id IS NULL THEN format('store: there is no %L', whole.store)
            WHEN whole.differs
                THEN 'the lines of the order differ in ordered_at, status, customer_number or customer_email'
            WHEN whole.is_unknown
                THEN format(
                    'customer: nobody in %L is known by %s',
                    whole.store,
                    concat_ws(' or ', nullif(whole.customer_number, ''), nullif(whole.customer_email, ''))
                )
            WHEN whole.total_amount >= 100000000 THEN format('the order comes to %s, which is too much', whole.total_amount)
        END AS reason
    FROM retail.staged_orders_whole AS whole
    UNION ALL
    SELECT
        whole.store,
        whole.order_number,
        format('line_no: goods of line %s came back, and the order does not have it any more', known.line_no)
    FROM retail.staged_orders_whole AS whole
    INNER JOIN retail.order_items AS known ON whole.store_id = known.store_id AND whole.order_id = known.order_id
    WHERE NOT whole.is_new
        AND NOT EXISTS (
            SELECT FROM retail.staged_orders AS staged
            WHERE staged.store = whole.store
                AND staged.order_number = whole.order_number
                AND staged.line_no = known.line_no
        )
        AND EXISTS (
            SELECT FROM retail.returns AS goods
            WHERE goods.store_id = known.store_id AND goods.order_id = known.order_id AND goods.line_no = known.line_no
        )
    UNION ALL
    SELECT
        whole.store,
        whole.order_number,
        format('line %s of the file, which is of the same order, is rejected', rejected.line)
    FROM retail.staged_orders_rejected AS rejected
    INNER JOIN retail.staged_orders_whole AS whole
        ON rejected.store = whole.store AND rejected.order_number = whole.order_number::text
),

bad_line AS (
    SELECT staged.line, staged.store, staged.order_number, format('sku: there is no %L', staged.sku) AS reason
    FROM retail.staged_orders AS staged
    WHERE NOT EXISTS (SELECT FROM retail.products AS product WHERE product.sku = staged.sku)
    UNION ALL
    SELECT
        staged.line,
        staged.store,
        staged.order_number,
        format('the line comes to %s, which is not between 0 and 99999999.99', staged.line_total)
    FROM retail.staged_orders AS staged
    WHERE staged.line_total NOT BETWEEN 0 AND 99999999.99
    UNION ALL
    SELECT staged.line, staged.store, staged.order_number, format('line_no: the order has line %s twice', staged.line_no)
    FROM retail.staged_orders AS staged
    INNER JOIN (
        SELECT twin.store, twin.order_number, twin.line_no
        FROM retail.staged_orders AS twin
        GROUP BY twin.store, twin.order_number, twin.line_no
        HAVING count(*) > 1
    ) AS repeated
        ON staged.store = repeated.store
        AND staged.order_number = repeated.order_number
        AND staged.line_no = repeated.line_no
),

problem AS (
    SELECT bad_line.line, bad_line.reason, 1 AS place FROM bad_line
    UNION ALL
    SELECT staged.line, bad_order.reason, 2
    FROM retail.staged_orders AS staged
    INNER JOIN bad_order ON staged.store = bad_order.store AND staged.order_number = bad_order.order_number
    WHERE bad_order.reason IS NOT NULL
    UNION ALL
    SELECT staged.line, format('line %s of the file, which is of the same order, is rejected', bad_line.line), 3
    FROM retail.staged_orders AS staged
    INNER JOIN bad_line ON staged.store = bad_line.store AND staged.order_number = bad_line.order_number
)

INSERT INTO retail.staged_orders_rejected (line, reason)
SELECT DISTINCT ON (problem.line) problem.line, problem.reason
FROM problem
ORDER BY problem.line, problem.place, problem.reason;

DELETE FROM retail.staged_orders_whole AS whole
USING retail.staged_orders_rejected AS rejected
INNER JOIN retail.staged_orders AS staged ON rejected.line = staged.line
WHERE whole.store = staged.store AND whole.order_number = staged.order_number;
