-- Are there embeddings in this database at all?
SELECT to_regclass('retail.embedding_models') IS NOT NULL AS exist
