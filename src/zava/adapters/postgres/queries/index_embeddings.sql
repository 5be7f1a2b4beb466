-- Which embeddings of a model are near each other? Its index: the column holds those of several models, of any dimensions.
CREATE INDEX CONCURRENTLY {name} ON retail.product_description_embeddings
USING hnsw ((embedding::public.vector({dimensions})) public.vector_cosine_ops)
WHERE model = {model}
