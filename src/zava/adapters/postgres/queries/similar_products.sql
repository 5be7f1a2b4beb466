-- Which products mean nearly what this one means, to the model that serves?
WITH found AS (
    SELECT
        other.product_id,
        1 - (other.embedding <=> own.embedding) AS similarity
    FROM retail.embedding_models AS serving
    INNER JOIN retail.product_description_embeddings AS own
        ON serving.model = own.model AND own.product_id = %(product_id)s
    INNER JOIN retail.product_description_embeddings AS other
        ON serving.model = other.model AND other.product_id <> own.product_id
    INNER JOIN retail.products AS product ON other.product_id = product.product_id
    WHERE serving.active
        AND (
            NOT (%(in_stock_only)s OR product.discontinued)
            OR product.product_id IN (SELECT stock.product_id FROM retail.inventory AS stock WHERE stock.stock_level > 0)
        )
    ORDER BY other.embedding <=> own.embedding
    LIMIT %(max_rows)s
)

SELECT
    card.*,
    round(found.similarity * 100)::integer AS similarity
FROM found AS found
CROSS JOIN LATERAL retail.product_card(found.product_id, %(tell_availability)s) AS card
ORDER BY found.similarity DESC, found.product_id
