-- Which model's embeddings serve?
SELECT
    model AS name,
    dimensions
FROM retail.embedding_models
WHERE active
