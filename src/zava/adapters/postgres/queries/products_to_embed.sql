-- Which products have no embedding of this model, or one of what was once said of them?
SELECT
    described.product_id,
    product.name,
    product.description,
    described.content,
    described.content_hash
FROM retail.product_search AS described
INNER JOIN retail.products AS product ON described.product_id = product.product_id
LEFT JOIN retail.product_description_embeddings AS embedded
    ON described.product_id = embedded.product_id AND embedded.model = %(model)s
WHERE embedded.content_hash IS DISTINCT FROM described.content_hash
ORDER BY described.product_id
LIMIT %(most)s
