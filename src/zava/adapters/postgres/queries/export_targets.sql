-- What does each store mean to turn over?
SELECT store.name AS store, target.month, target.revenue_target
FROM retail.store_targets AS target
INNER JOIN retail.stores AS store ON target.store_id = store.store_id
ORDER BY store.name, target.month;
