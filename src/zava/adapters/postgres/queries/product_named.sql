-- Which product is meant by this name or SKU? One of exactly that name, or those whose texts have all of its words.
SELECT
    product.product_id,
    product.name,
    product.sku,
    lower(btrim(%(product)s)) IN (lower(product.sku), lower(product.name)) AS exact
FROM retail.products AS product
INNER JOIN retail.product_search AS described ON product.product_id = described.product_id
WHERE lower(btrim(%(product)s)) IN (lower(product.sku), lower(product.name))
    OR described.words @@ plainto_tsquery('english', %(product)s)
ORDER BY exact DESC, ts_rank(described.words, plainto_tsquery('english', %(product)s), 1) DESC, product.product_id
LIMIT %(most)s
