-- Which names may be filtered on, as far as the principal sees them?
SELECT 'stores' AS table_name, 'name' AS column_name, array_agg(name ORDER BY name) AS valid_values
FROM retail.stores
UNION ALL
SELECT 'stores', 'region', array_agg(DISTINCT region ORDER BY region)
FROM retail.stores
UNION ALL
SELECT 'categories', 'name', array_agg(name ORDER BY name)
FROM retail.categories
