-- A store learns in which quarter of the chain it stands, and nothing else of the other stores.
-- oldest-server: 0.1.0
--
-- Row security hides other stores from whoever asks, so the owner of the tables compares them, in one function that
-- zava_reader alone may call. Its answer is a number from 1 to 4 for the caller's own shop. What keeps that number from
-- becoming another store's figure is decided here, and callers cannot change it:
--
-- - The days are a whole week, month, fiscal quarter or fiscal year, and they are over. Days of one's own choosing would
--   tell a quarter for each of them, and a running day could be asked again after each sale that one rings up.
-- - At least three shops are compared, or as many more as the server wants, and every one of them had sales in these days
--   and in the week, month, quarter or year before.
-- - The caller sees one store, and that is compared. Who sees several would learn a quarter for each of them.
-- - The online store is no shop, and is left out: it would always be first.
SET LOCAL ROLE zava_owner;

CREATE FUNCTION retail.chain_standing(first_day date, last_day date, least_shops integer)
RETURNS TABLE (metric text, quartile integer, shops integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- A plan for these days and shops: one for any would look up the order of each line.
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    mine uuid[] := access.my_stores();
    enough integer := greatest(least_shops, 3);
    previous_first_day date;
    compared uuid[];
BEGIN
    -- The week, month, quarter or year before, if these days are a whole one that is over.
    SELECT chain_standing.first_day - unit.length INTO previous_first_day
    FROM retail.business_settings AS business
    CROSS JOIN LATERAL (
        SELECT
            extract(day FROM chain_standing.first_day) = 1 AS month_begins,
            (extract(month FROM chain_standing.first_day)::integer + 12 - business.fiscal_year_starts_in) % 12 AS month
    ) AS fiscal
    CROSS JOIN LATERAL (
        VALUES
            (interval '7 days', extract(isodow FROM chain_standing.first_day) = business.week_starts_on),
            (interval '1 month', fiscal.month_begins),
            (interval '3 months', fiscal.month_begins AND fiscal.month % 3 = 0),
            (interval '12 months', fiscal.month_begins AND fiscal.month = 0)
    ) AS unit (length, begins)
    WHERE unit.begins
        AND (chain_standing.first_day + unit.length)::date - 1 = chain_standing.last_day
        AND chain_standing.last_day < (now() AT TIME ZONE business.time_zone)::date;
    IF NOT FOUND OR cardinality(mine) <> 1 THEN
        RETURN;
    END IF;

    compared := ARRAY(
        SELECT shop.store_id
        FROM retail.stores AS shop
        WHERE NOT shop.is_online
            AND EXISTS (
                SELECT FROM retail.orders AS sale
                WHERE sale.store_id = shop.store_id
                    AND sale.order_date BETWEEN chain_standing.first_day AND chain_standing.last_day
                    AND sale.status <> 'cancelled'
            )
            AND EXISTS (
                SELECT FROM retail.orders AS sale
                WHERE sale.store_id = shop.store_id
                    AND sale.order_date >= previous_first_day AND sale.order_date < chain_standing.first_day
                    AND sale.status <> 'cancelled'
            )
    );
    IF cardinality(compared) < enough OR mine[1] <> ALL (compared) THEN
        RETURN;
    END IF;

    RETURN QUERY
    WITH
    lines AS (
        SELECT
            item.store_id,
            sum(item.line_total) AS revenue,
            sum(item.line_total - item.quantity * item.unit_cost) AS gross_margin,
            sum(item.quantity) AS units,
            sum(item.discount_amount) AS discount_amount
        FROM retail.order_items AS item
        INNER JOIN retail.orders AS sale ON item.store_id = sale.store_id AND item.order_id = sale.order_id
        WHERE item.store_id = ANY (compared)
            AND item.order_date BETWEEN chain_standing.first_day AND chain_standing.last_day
            AND sale.store_id = ANY (compared)
            AND sale.order_date BETWEEN chain_standing.first_day AND chain_standing.last_day
            AND sale.status <> 'cancelled'
        GROUP BY item.store_id
    ),

    sales AS (
        SELECT
            sale.store_id,
            count(*) AS orders,
            count(DISTINCT sale.customer_id) AS customers
        FROM retail.orders AS sale
        WHERE sale.store_id = ANY (compared)
            AND sale.order_date BETWEEN chain_standing.first_day AND chain_standing.last_day
            AND sale.status <> 'cancelled'
        GROUP BY sale.store_id
    ),

    refunds AS (
        SELECT
            goods.store_id,
            sum(goods.refund_amount) AS returned_amount
        FROM retail.returns AS goods
        WHERE goods.store_id = ANY (compared)
            AND goods.returned_on BETWEEN chain_standing.first_day AND chain_standing.last_day
        GROUP BY goods.store_id
    ),

    sums AS (
        SELECT
            sales.store_id,
            sales.orders,
            sales.customers,
            coalesce(lines.revenue, 0) AS revenue,
            coalesce(lines.gross_margin, 0) AS gross_margin,
            coalesce(lines.units, 0) AS units,
            coalesce(lines.discount_amount, 0) AS discount_amount,
            coalesce(refunds.returned_amount, 0) AS returned_amount
        FROM sales
        LEFT JOIN lines ON sales.store_id = lines.store_id
        LEFT JOIN refunds ON sales.store_id = refunds.store_id
    ),

    -- The same definitions as src/zava/core/metrics.py, which a test compares.
    figures AS (
        SELECT
            sums.store_id,
            figure.metric,
            figure.value
        FROM sums
        CROSS JOIN LATERAL (
            VALUES
                ('revenue', sums.revenue),
                ('returned_amount', sums.returned_amount),
                ('net_revenue', sums.revenue - sums.returned_amount),
                ('units', sums.units),
                ('orders', sums.orders),
                ('average_order_value', sums.revenue / sums.orders),
                ('gross_margin', sums.gross_margin),
                ('gross_margin_percent', sums.gross_margin / nullif(sums.revenue, 0)),
                ('customers', sums.customers),
                ('discount_amount', sums.discount_amount),
                ('discount_percent', sums.discount_amount / nullif(sums.revenue + sums.discount_amount, 0)),
                ('units_per_order', sums.units::numeric / sums.orders)
        ) AS figure (metric, value)
        WHERE figure.value IS NOT NULL
    ),

    ranked AS (
        SELECT
            figures.store_id,
            figures.metric,
            rank() OVER by_value AS place,
            count(*) OVER (PARTITION BY figures.metric) AS shops
        FROM figures
        WINDOW by_value AS (PARTITION BY figures.metric ORDER BY figures.value DESC)
    )

    SELECT
        ranked.metric,
        (4 * (ranked.place - 1) / ranked.shops + 1)::integer,
        ranked.shops::integer
    FROM ranked
    WHERE ranked.store_id = mine[1] AND ranked.shops >= enough;
END
$$;
COMMENT ON FUNCTION retail.chain_standing(date, date, integer) IS 'In which quarter of the chain the one shop of whoever asks stands, by metric. 1 is the highest figures.';
GRANT EXECUTE ON FUNCTION retail.chain_standing(date, date, integer) TO zava_reader;
