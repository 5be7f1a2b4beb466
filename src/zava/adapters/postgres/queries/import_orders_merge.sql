-- What was sold? An order has the lines that the file gives it, and no others.
WITH changed AS (
    UPDATE retail.orders AS known
    SET
        customer_id = whole.customer_id,
        ordered_at = whole.moment,
        order_date = whole.order_date,
        total_amount = whole.total_amount,
        status = whole.status
    FROM retail.staged_orders_whole AS whole
    WHERE known.store_id = whole.store_id
        AND known.order_id = whole.order_id
        AND (whole.customer_id, whole.moment, whole.order_date, whole.total_amount, whole.status)
            IS DISTINCT FROM (known.customer_id, known.ordered_at, known.order_date, known.total_amount, known.status)
    RETURNING 1
)

SELECT 'changed', count(*) FROM changed;

WITH gone AS (
    DELETE FROM retail.order_items AS known
    USING retail.staged_orders_whole AS whole
    WHERE NOT whole.is_new
        AND known.store_id = whole.store_id
        AND known.order_id = whole.order_id
        AND NOT EXISTS (
            SELECT FROM retail.staged_orders AS staged
            WHERE staged.store = whole.store
                AND staged.order_number = whole.order_number
                AND staged.line_no = known.line_no
        )
    RETURNING 1
)

SELECT 'removed', count(*) FROM gone;

WITH changed AS (
    UPDATE retail.order_items AS known
    SET
        product_id = product.product_id,
        quantity = staged.quantity,
        unit_price = staged.unit_price,
        unit_cost = coalesce(staged.unit_cost, known.unit_cost),
        discount_percent = coalesce(staged.discount_percent, 0),
        discount_amount = staged.discount_amount,
        line_total = staged.line_total
    FROM retail.staged_orders AS staged
    INNER JOIN retail.staged_orders_whole AS whole
        ON staged.store = whole.store AND staged.order_number = whole.order_number AND NOT whole.is_new
    INNER JOIN retail.products AS product ON staged.sku = product.sku
    WHERE known.store_id = whole.store_id
        AND known.order_id = whole.order_id
        AND known.line_no = staged.line_no
        AND (
            product.product_id, staged.quantity, staged.unit_price, coalesce(staged.unit_cost, known.unit_cost),
            coalesce(staged.discount_percent, 0), staged.discount_amount
        ) IS DISTINCT FROM (
            known.product_id, known.quantity, known.unit_price, known.unit_cost, known.discount_percent,
            known.discount_amount
        )
    RETURNING 1
)

SELECT 'changed', count(*) FROM changed;

WITH added AS (
    INSERT INTO retail.orders (
        store_id, order_id, order_number, customer_id, ordered_at, order_date, total_amount, status
    )
    SELECT
        whole.store_id, whole.order_id, whole.order_number, whole.customer_id, whole.moment, whole.order_date,
        whole.total_amount, whole.status
    FROM retail.staged_orders_whole AS whole
    WHERE whole.is_new
    -- Rows that are asked for together lie together.
    ORDER BY whole.store_id, whole.order_date
    RETURNING 1
)

SELECT 'new', count(*) FROM added;

WITH added AS (
    INSERT INTO retail.order_items (
        store_id, order_id, line_no, order_date, product_id, quantity, unit_price, unit_cost, discount_percent,
        discount_amount, line_total
    )
    SELECT
        whole.store_id,
        whole.order_id,
        staged.line_no,
        whole.order_date,
        product.product_id,
        staged.quantity,
        staged.unit_price,
        coalesce(staged.unit_cost, product.cost),
        coalesce(staged.discount_percent, 0),
        staged.discount_amount,
        staged.line_total
    FROM retail.staged_orders AS staged
    INNER JOIN retail.staged_orders_whole AS whole
        ON staged.store = whole.store AND staged.order_number = whole.order_number
    INNER JOIN retail.products AS product ON staged.sku = product.sku
    WHERE whole.is_new
        OR NOT EXISTS (
            SELECT FROM retail.order_items AS known
            WHERE known.store_id = whole.store_id
                AND known.order_id = whole.order_id
                AND known.line_no = staged.line_no
        )
    ORDER BY whole.store_id, whole.order_date, whole.order_id
    RETURNING 1
)

SELECT 'new', count(*) FROM added;
