-- Makes the index of a model's embeddings: the column holds those of several models, and of any dimensions.
CREATE INDEX CONCURRENTLY {name} ON retail.product_description_embeddings
USING hnsw ((embedding::public.vector({dimensions})) public.vector_cosine_ops)
WHERE model = {model}
