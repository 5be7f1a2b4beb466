-- How many products are due, as products_to_embed.sql knows them, and how much is said of them?
SELECT
    count(*)::integer AS products,
    coalesce(sum(octet_length(described.content)), 0)::integer AS bytes
FROM retail.product_search AS described
LEFT JOIN retail.product_description_embeddings AS embedded
    ON described.product_id = embedded.product_id AND embedded.model = %(model)s
WHERE embedded.content_hash IS DISTINCT FROM described.content_hash
