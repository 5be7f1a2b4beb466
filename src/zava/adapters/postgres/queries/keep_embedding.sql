-- What does this product mean to this model? The product may have gone meanwhile.
INSERT INTO retail.product_description_embeddings (product_id, model, embedding, content_hash)
SELECT
    product_id,
    %(model)s,
    %(embedding)s::vector,
    %(content_hash)s
FROM retail.products
WHERE product_id = %(product_id)s
ON CONFLICT (product_id, model) DO UPDATE
SET embedding = excluded.embedding, content_hash = excluded.content_hash, updated_at = now()
