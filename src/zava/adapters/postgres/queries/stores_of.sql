-- Which stores does the principal see?
SELECT
    store_id,
    name,
    region,
    opened_on,
    is_online
FROM retail.stores
ORDER BY name
