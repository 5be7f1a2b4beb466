-- What are the categories called, and then the kinds of product?
SELECT name
FROM (
    SELECT
        name,
        1 AS place
    FROM retail.categories
    UNION ALL
    SELECT
        name,
        2
    FROM retail.product_types
) AS named
ORDER BY place, name
