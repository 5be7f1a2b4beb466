-- How many are they?
SELECT count(*)
FROM retail.product_search AS described
LEFT JOIN retail.product_description_embeddings AS embedded
    ON described.product_id = embedded.product_id AND embedded.model = %(model)s
WHERE embedded.content_hash IS DISTINCT FROM described.content_hash
