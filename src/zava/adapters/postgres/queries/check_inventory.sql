-- Which products may run out within the horizon, and which lie there unsold? The most urgent first, with totals of all.
WITH sold AS (
    SELECT
        item.store_id,
        item.product_id,
        coalesce(sum(item.quantity) FILTER (WHERE item.order_date >= %(pace_first_day)s), 0) AS units_sold,
        sum(item.quantity) AS units_sold_longer
    FROM retail.order_items AS item
    INNER JOIN retail.orders AS sale
        ON item.store_id = sale.store_id AND item.order_id = sale.order_id AND item.order_date = sale.order_date
    WHERE item.store_id = ANY (%(stores)s)
        AND item.order_date BETWEEN %(unsold_since)s AND %(pace_last_day)s
        AND sale.store_id = ANY (%(stores)s)
        AND sale.order_date BETWEEN %(unsold_since)s AND %(pace_last_day)s
        AND sale.status <> 'cancelled'
    GROUP BY item.store_id, item.product_id
),

positions AS (
    SELECT
        stock.store_id,
        stock.product_id,
        stock.stock_level,
        product.name AS product,
        product.sku,
        product.supplier_lead_days AS lead_days,
        product.pack_size,
        product.cost,
        product.discontinued,
        coalesce(sold.units_sold, 0) AS units_sold,
        coalesce(sold.units_sold_longer, 0) AS units_sold_longer,
        -- Unknown where nothing was sold.
        stock.stock_level * %(pace_days)s::numeric / nullif(sold.units_sold, 0) AS days_of_cover,
        stock.stock_level * product.cost AS stock_value
    FROM retail.inventory AS stock
    INNER JOIN retail.products AS product ON stock.product_id = product.product_id
    INNER JOIN retail.product_types AS type ON product.product_type_id = type.product_type_id
    INNER JOIN retail.categories AS category ON type.category_id = category.category_id
    LEFT JOIN sold ON stock.store_id = sold.store_id AND stock.product_id = sold.product_id
    WHERE stock.store_id = ANY (%(stores)s)
        AND (%(category)s::text IS NULL OR %(category)s IN (category.name, type.name))
),

judged AS (
    SELECT
        *,
        CASE
            WHEN NOT discontinued AND (stock_level = 0 OR days_of_cover <= %(horizon_days)s) THEN 'stockout'
            WHEN stock_level > 0 AND (units_sold_longer = 0 OR days_of_cover > %(overstock_days)s) THEN 'overstock'
        END AS risk
    FROM positions
)

SELECT
    judged.risk,
    store.name AS store,
    judged.product,
    judged.sku,
    judged.stock_level,
    judged.units_sold,
    judged.units_sold_longer,
    judged.lead_days,
    judged.pack_size,
    judged.cost,
    judged.discontinued,
    count(*) FILTER (WHERE judged.risk = 'stockout') OVER () AS stockouts,
    count(*) FILTER (WHERE judged.risk = 'overstock') OVER () AS overstocks,
    coalesce(sum(judged.stock_value) FILTER (WHERE judged.risk = 'overstock') OVER (), 0) AS overstock_value
FROM judged
INNER JOIN retail.stores AS store ON judged.store_id = store.store_id
WHERE judged.risk IS NOT NULL
ORDER BY
    judged.risk = ANY (%(risks)s) DESC, -- the others only carry the totals
    judged.risk DESC, -- stockout before overstock
    CASE judged.risk WHEN 'stockout' THEN coalesce(judged.days_of_cover, 0) ELSE -judged.stock_value END,
    judged.units_sold DESC,
    store.name,
    judged.product
LIMIT %(max_rows)s
