-- Sums of sales by day, by day and category, by month and product, so that most questions need not read the orders.
-- oldest-server: 0.1.0
--
-- Whoever writes an order, a line or a return leaves a mark for its store and day, in the same transaction. Marked days
-- are read from the orders themselves until they are summed anew, so that an answer is never out of date.
SET LOCAL ROLE zava_owner;

CREATE TABLE retail.sales_changes (
    store_id uuid NOT NULL REFERENCES retail.stores ON DELETE CASCADE,
    day date NOT NULL,
    changed_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (store_id, day, changed_by)
);
COMMENT ON TABLE retail.sales_changes IS 'Days whose sums are out of date. Triggers mark them, and summing anew takes the marks away.';
-- One mark for all transactions would be taken away together with the mark of one that is not to be seen yet.
COMMENT ON COLUMN retail.sales_changes.changed_by IS 'The transaction that wrote: each leaves marks of its own.';

CREATE TABLE retail.sales_by_day (
    store_id uuid NOT NULL REFERENCES retail.stores ON DELETE CASCADE,
    day date NOT NULL,
    orders bigint NOT NULL,
    revenue numeric NOT NULL,
    cost numeric NOT NULL,
    units bigint NOT NULL,
    discount_amount numeric NOT NULL,
    returned_amount numeric NOT NULL,
    PRIMARY KEY (store_id, day)
);
COMMENT ON TABLE retail.sales_by_day IS 'What each store sold on each day, cancelled orders left out, and what came back.';

CREATE TABLE retail.sales_by_category (
    store_id uuid NOT NULL REFERENCES retail.stores ON DELETE CASCADE,
    day date NOT NULL,
    category_id uuid NOT NULL REFERENCES retail.categories ON DELETE CASCADE,
    orders bigint NOT NULL,
    revenue numeric NOT NULL,
    cost numeric NOT NULL,
    units bigint NOT NULL,
    discount_amount numeric NOT NULL,
    returned_amount numeric NOT NULL,
    PRIMARY KEY (store_id, day, category_id)
);
COMMENT ON TABLE retail.sales_by_category IS 'The same for each category. An order with several counts in each of them.';

CREATE TABLE retail.sales_by_category_and_month (
    store_id uuid NOT NULL REFERENCES retail.stores ON DELETE CASCADE,
    month date NOT NULL,
    category_id uuid NOT NULL REFERENCES retail.categories ON DELETE CASCADE,
    orders bigint NOT NULL,
    revenue numeric NOT NULL,
    cost numeric NOT NULL,
    units bigint NOT NULL,
    discount_amount numeric NOT NULL,
    returned_amount numeric NOT NULL,
    PRIMARY KEY (store_id, month, category_id)
);
COMMENT ON TABLE retail.sales_by_category_and_month IS 'The same for each category and month, for questions over years.';
COMMENT ON COLUMN retail.sales_by_category_and_month.month IS 'First day of the month.';

CREATE TABLE retail.sales_by_product (
    store_id uuid NOT NULL REFERENCES retail.stores ON DELETE CASCADE,
    month date NOT NULL,
    product_id uuid NOT NULL REFERENCES retail.products ON DELETE CASCADE,
    revenue numeric NOT NULL,
    cost numeric NOT NULL,
    units bigint NOT NULL,
    discount_amount numeric NOT NULL,
    returned_amount numeric NOT NULL,
    PRIMARY KEY (store_id, month, product_id)
);
COMMENT ON TABLE retail.sales_by_product IS 'The same for each product and month, without orders: products of one name would count theirs several times.';
COMMENT ON COLUMN retail.sales_by_product.month IS 'First day of the month.';

DO $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY[
        'sales_changes', 'sales_by_day', 'sales_by_category', 'sales_by_category_and_month', 'sales_by_product'
    ] LOOP
        EXECUTE format('ALTER TABLE retail.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', table_name);
        EXECUTE format('CREATE POLICY owner ON retail.%I TO zava_owner USING (true) WITH CHECK (true)', table_name);
        EXECUTE format(
            'CREATE POLICY own_stores ON retail.%I FOR SELECT TO zava_reader '
            'USING (store_id = ANY ((SELECT access.my_stores())::uuid[]))',
            table_name
        );
        EXECUTE format('GRANT SELECT ON retail.%I TO zava_reader', table_name);
    END LOOP;
END
$$;

-- A loader may write orders as a role of its own, which has no right to leave marks: the triggers have it.
CREATE FUNCTION retail.mark_sales() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_TABLE_NAME = 'returns' THEN
        INSERT INTO retail.sales_changes (store_id, day)
        SELECT DISTINCT store_id, returned_on FROM changed
        ON CONFLICT DO NOTHING;
    ELSE
        INSERT INTO retail.sales_changes (store_id, day)
        SELECT DISTINCT store_id, order_date FROM changed
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION retail.mark_sales() IS 'Marks the days whose sales were written.';

-- An update needs both: it may have moved an order from one day to another.
CREATE FUNCTION retail.mark_moved_sales() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_TABLE_NAME = 'returns' THEN
        INSERT INTO retail.sales_changes (store_id, day)
        SELECT store_id, returned_on FROM changed UNION SELECT store_id, returned_on FROM before
        ON CONFLICT DO NOTHING;
    ELSE
        INSERT INTO retail.sales_changes (store_id, day)
        SELECT store_id, order_date FROM changed UNION SELECT store_id, order_date FROM before
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION retail.mark_all_sales() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO retail.sales_changes (store_id, day)
    SELECT store_id, day FROM retail.sales_by_day
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

-- A product that moves to another category takes its past along.
CREATE FUNCTION retail.mark_moved_products() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moved uuid[];
BEGIN
    IF TG_TABLE_NAME = 'products' THEN
        moved := ARRAY(
            SELECT changed.product_id
            FROM changed
            INNER JOIN before ON changed.product_id = before.product_id
            WHERE changed.product_type_id <> before.product_type_id
        );
    ELSE
        moved := ARRAY(
            SELECT product.product_id
            FROM changed
            INNER JOIN before ON changed.product_type_id = before.product_type_id
            INNER JOIN retail.products AS product ON changed.product_type_id = product.product_type_id
            WHERE changed.category_id <> before.category_id
        );
    END IF;
    IF cardinality(moved) > 0 THEN
        -- Days whose lines are not to be seen yet have marks of their own, and keep them: nothing is summed by the old
        -- category until the move is there for everybody.
        PERFORM pg_advisory_xact_lock_shared(hashtext('retail.roll_up_sales'));
        INSERT INTO retail.sales_changes (store_id, day)
        SELECT item.store_id, item.order_date FROM retail.order_items AS item WHERE item.product_id = ANY (moved)
        UNION
        SELECT goods.store_id, goods.returned_on
        FROM retail.returns AS goods
        INNER JOIN retail.order_items AS item
            ON goods.store_id = item.store_id AND goods.order_id = item.order_id AND goods.line_no = item.line_no
        WHERE item.product_id = ANY (moved)
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;

DO $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY['orders', 'order_items', 'returns'] LOOP
        EXECUTE format(
            'CREATE TRIGGER mark_new AFTER INSERT ON retail.%I REFERENCING NEW TABLE AS changed '
            'FOR EACH STATEMENT EXECUTE FUNCTION retail.mark_sales()',
            table_name
        );
        EXECUTE format(
            'CREATE TRIGGER mark_gone AFTER DELETE ON retail.%I REFERENCING OLD TABLE AS changed '
            'FOR EACH STATEMENT EXECUTE FUNCTION retail.mark_sales()',
            table_name
        );
        EXECUTE format(
            'CREATE TRIGGER mark_changed AFTER UPDATE ON retail.%I REFERENCING NEW TABLE AS changed OLD TABLE AS before '
            'FOR EACH STATEMENT EXECUTE FUNCTION retail.mark_moved_sales()',
            table_name
        );
        EXECUTE format(
            'CREATE TRIGGER mark_emptied AFTER TRUNCATE ON retail.%I '
            'FOR EACH STATEMENT EXECUTE FUNCTION retail.mark_all_sales()',
            table_name
        );
    END LOOP;
    FOREACH table_name IN ARRAY ARRAY['products', 'product_types'] LOOP
        EXECUTE format(
            'CREATE TRIGGER mark_moved AFTER UPDATE ON retail.%I REFERENCING NEW TABLE AS changed OLD TABLE AS before '
            'FOR EACH STATEMENT EXECUTE FUNCTION retail.mark_moved_products()',
            table_name
        );
    END LOOP;
END
$$;

-- Lines that were sold and goods that came back, each with the day it counts for.
CREATE FUNCTION retail.sales_parts(of_stores uuid[], first_day date, last_day date) RETURNS TABLE (
    store_id uuid,
    day date,
    product_id uuid,
    category_id uuid,
    order_id uuid,
    revenue numeric,
    cost numeric,
    units integer,
    discount_amount numeric,
    returned_amount numeric
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH part AS (
        SELECT
            item.store_id,
            item.order_date AS day,
            item.product_id,
            item.order_id,
            item.line_total AS revenue,
            item.quantity * item.unit_cost AS cost,
            item.quantity AS units,
            item.discount_amount,
            NULL::numeric AS returned_amount
        FROM retail.order_items AS item
        WHERE item.store_id = ANY (of_stores)
            AND item.order_date BETWEEN first_day AND last_day
            AND NOT EXISTS (
                SELECT FROM retail.orders AS sale
                WHERE sale.store_id = item.store_id
                    AND sale.order_id = item.order_id
                    AND sale.order_date BETWEEN first_day AND last_day
                    AND sale.status = 'cancelled'
            )
        UNION ALL
        SELECT goods.store_id, goods.returned_on, item.product_id, NULL, NULL, NULL, NULL, NULL, goods.refund_amount
        FROM retail.returns AS goods
        INNER JOIN retail.order_items AS item
            ON goods.store_id = item.store_id AND goods.order_id = item.order_id AND goods.line_no = item.line_no
        WHERE goods.store_id = ANY (of_stores) AND goods.returned_on BETWEEN first_day AND last_day
    )

    SELECT
        part.store_id, part.day, part.product_id, product_type.category_id, part.order_id,
        part.revenue, part.cost, part.units, part.discount_amount, part.returned_amount
    FROM part
    INNER JOIN retail.products AS product ON part.product_id = product.product_id
    INNER JOIN retail.product_types AS product_type ON product.product_type_id = product_type.product_type_id;
END;

-- Sums the marked days of the latest month that has any anew, and takes their marks away. May be run at any time: what
-- it sums is what is there. The marks go before the sums are read, so that a sale that is written meanwhile is either
-- in the sums, or has a mark that stays.
CREATE FUNCTION retail.roll_up_sales() RETURNS integer
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
        coalesce(sold.revenue, 0),
        coalesce(sold.cost, 0),
        coalesce(sold.units, 0),
        coalesce(sold.discount_amount, 0),
        coalesce(returned.returned_amount, 0)
    FROM unnest(day_stores, days) AS chosen (store_id, day)
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
            item.store_id,
            item.order_date AS day,
            sum(item.line_total) AS revenue,
            sum(item.quantity * item.unit_cost) AS cost,
            sum(item.quantity) AS units,
            sum(item.discount_amount) AS discount_amount
        FROM retail.order_items AS item
        INNER JOIN retail.orders AS sale ON item.store_id = sale.store_id AND item.order_id = sale.order_id
        WHERE item.store_id = ANY (chosen_stores)
            AND item.order_date BETWEEN first_day AND last_day
            AND sale.order_date BETWEEN first_day AND last_day
            AND sale.status <> 'cancelled'
        GROUP BY item.store_id, item.order_date
    ) AS sold ON chosen.store_id = sold.store_id AND chosen.day = sold.day
    LEFT JOIN (
        SELECT goods.store_id, goods.returned_on AS day, sum(goods.refund_amount) AS returned_amount
        FROM retail.returns AS goods
        WHERE goods.store_id = ANY (chosen_stores) AND goods.returned_on BETWEEN first_day AND last_day
        GROUP BY goods.store_id, goods.returned_on
    ) AS returned ON chosen.store_id = returned.store_id AND chosen.day = returned.day
    WHERE ordered.orders IS NOT NULL OR returned.returned_amount IS NOT NULL;

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
COMMENT ON FUNCTION retail.roll_up_sales() IS 'Sums the marked days of a month anew; returns how many there were, or null while another does it, or moves products.';
GRANT EXECUTE ON FUNCTION retail.roll_up_sales() TO zava_writer;
GRANT USAGE ON SCHEMA retail TO zava_writer;

-- What there was before there were marks.
INSERT INTO retail.sales_changes (store_id, day)
SELECT store_id, order_date FROM retail.orders
UNION
SELECT store_id, returned_on FROM retail.returns;
