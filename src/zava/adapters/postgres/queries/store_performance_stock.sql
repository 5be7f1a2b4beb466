-- What will run out before the supplier can deliver, at the pace of the last four weeks?
-- What is cancelled is taken out, rather than the rest joined: see store_performance_slices.
WITH pace AS (
    SELECT
        item.store_id,
        item.product_id,
        sum(item.quantity) / 28.0 AS units_a_day
    FROM retail.order_items AS item
    WHERE item.store_id = ANY (%(stores)s)
        AND item.order_date BETWEEN %(today)s::date - 28 AND %(today)s::date - 1
        AND NOT EXISTS (
            SELECT FROM retail.orders AS sale
            WHERE sale.store_id = item.store_id
                AND sale.order_id = item.order_id
                AND sale.store_id = ANY (%(stores)s)
                AND sale.order_date BETWEEN %(today)s::date - 28 AND %(today)s::date - 1
                AND sale.status = 'cancelled'
        )
    GROUP BY item.store_id, item.product_id
),

covered AS (
    SELECT
        store.name AS store,
        product.name AS product,
        stock.stock_level,
        product.supplier_lead_days AS lead_days,
        stock.stock_level / pace.units_a_day AS days_of_cover
    FROM pace
    INNER JOIN retail.inventory AS stock ON pace.store_id = stock.store_id AND pace.product_id = stock.product_id
    INNER JOIN retail.products AS product ON pace.product_id = product.product_id
    INNER JOIN retail.stores AS store ON pace.store_id = store.store_id
    WHERE NOT product.discontinued
)

SELECT
    store,
    product,
    stock_level,
    days_of_cover,
    lead_days,
    count(*) OVER () AS products_at_risk
FROM covered
WHERE days_of_cover < lead_days
ORDER BY days_of_cover, store, product
LIMIT %(stock)s
