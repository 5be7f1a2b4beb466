-- A day's sums are those of its categories, and are not read from the orders a second time.
-- oldest-server: 0.1.0
SET LOCAL ROLE zava_owner;

CREATE OR REPLACE FUNCTION retail.roll_up_sales() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most_stores constant integer := 50;
    summed_month date;
    first_day date;
    last_day date;
    chosen_stores uuid[];
    day_stores uuid[];
    days date[];
BEGIN
    -- One at a time: a second one would sum the same days. And not while products are moved to another category.
    IF NOT pg_try_advisory_xact_lock(hashtext('retail.roll_up_sales')) THEN
        RETURN NULL;
    END IF;

    SELECT date_trunc('month', max(change.day)) INTO summed_month FROM retail.sales_changes AS change;
    first_day := summed_month;
    last_day := (summed_month + interval '1 month')::date - 1;
    chosen_stores := ARRAY(
        SELECT DISTINCT change.store_id
        FROM retail.sales_changes AS change
        WHERE change.day BETWEEN first_day AND last_day
        ORDER BY change.store_id
        LIMIT most_stores
    );

    WITH taken AS (
        DELETE FROM retail.sales_changes AS change
        WHERE change.store_id = ANY (chosen_stores) AND change.day BETWEEN first_day AND last_day
        RETURNING change.store_id, change.day
    )

    SELECT array_agg(marked.store_id), array_agg(marked.day)
    INTO day_stores, days
    FROM (SELECT DISTINCT taken.store_id, taken.day FROM taken) AS marked;

    DELETE FROM retail.sales_by_category AS summed
    USING unnest(day_stores, days) AS chosen (store_id, day)
    WHERE summed.store_id = chosen.store_id AND summed.day = chosen.day;
    INSERT INTO retail.sales_by_category (
        store_id, day, category_id, orders, revenue, cost, units, discount_amount, returned_amount
    )
    SELECT
        chosen.store_id,
        chosen.day,
        part.category_id,
        count(DISTINCT part.order_id),
        coalesce(sum(part.revenue), 0),
        coalesce(sum(part.cost), 0),
        coalesce(sum(part.units), 0),
        coalesce(sum(part.discount_amount), 0),
        coalesce(sum(part.returned_amount), 0)
    FROM retail.sales_parts(chosen_stores, first_day, last_day) AS part
    INNER JOIN unnest(day_stores, days) AS chosen (store_id, day)
        ON part.store_id = chosen.store_id AND part.day = chosen.day
    GROUP BY chosen.store_id, chosen.day, part.category_id;

    DELETE FROM retail.sales_by_day AS summed
    USING unnest(day_stores, days) AS chosen (store_id, day)
    WHERE summed.store_id = chosen.store_id AND summed.day = chosen.day;
    INSERT INTO retail.sales_by_day (
        store_id, day, orders, revenue, cost, units, discount_amount, returned_amount
    )
    SELECT
        chosen.store_id,
        chosen.day,
        coalesce(ordered.orders, 0),
        coalesce(part.revenue, 0),
        coalesce(part.cost, 0),
        coalesce(part.units, 0),
        coalesce(part.discount_amount, 0),
        coalesce(part.returned_amount, 0)
    FROM unnest(day_stores, days) AS chosen (store_id, day)
    -- An order of several categories counts once.
    LEFT JOIN (
        SELECT sale.store_id, sale.order_date AS day, count(*) AS orders
        FROM retail.orders AS sale
        WHERE sale.store_id = ANY (chosen_stores)
            AND sale.order_date BETWEEN first_day AND last_day
            AND sale.status <> 'cancelled'
        GROUP BY sale.store_id, sale.order_date
    ) AS ordered ON chosen.store_id = ordered.store_id AND chosen.day = ordered.day
    LEFT JOIN (
        SELECT
            category.store_id,
            category.day,
            sum(category.revenue) AS revenue,
            sum(category.cost) AS cost,
            sum(category.units) AS units,
            sum(category.discount_amount) AS discount_amount,
            sum(category.returned_amount) AS returned_amount
        FROM retail.sales_by_category AS category
        WHERE category.store_id = ANY (chosen_stores) AND category.day BETWEEN first_day AND last_day
        GROUP BY category.store_id, category.day
    ) AS part ON chosen.store_id = part.store_id AND chosen.day = part.day
    WHERE ordered.orders IS NOT NULL OR part.revenue IS NOT NULL;

    DELETE FROM retail.sales_by_category_and_month AS summed
    WHERE summed.store_id = ANY (chosen_stores) AND summed.month = summed_month;
    INSERT INTO retail.sales_by_category_and_month (
        store_id, month, category_id, orders, revenue, cost, units, discount_amount, returned_amount
    )
    SELECT
        day.store_id,
        summed_month,
        day.category_id,
        sum(day.orders),
        sum(day.revenue),
        sum(day.cost),
        sum(day.units),
        sum(day.discount_amount),
        sum(day.returned_amount)
    FROM retail.sales_by_category AS day
    WHERE day.store_id = ANY (chosen_stores) AND day.day BETWEEN first_day AND last_day
    GROUP BY day.store_id, day.category_id;

    DELETE FROM retail.sales_by_product AS summed
    WHERE summed.store_id = ANY (chosen_stores) AND summed.month = summed_month;
    INSERT INTO retail.sales_by_product (
        store_id, month, product_id, revenue, cost, units, discount_amount, returned_amount
    )
    SELECT
        part.store_id,
        summed_month,
        part.product_id,
        coalesce(sum(part.revenue), 0),
        coalesce(sum(part.cost), 0),
        coalesce(sum(part.units), 0),
        coalesce(sum(part.discount_amount), 0),
        coalesce(sum(part.returned_amount), 0)
    FROM retail.sales_parts(chosen_stores, first_day, last_day) AS part
    GROUP BY part.store_id, part.product_id;

    RETURN coalesce(cardinality(days), 0);
END
$$;
