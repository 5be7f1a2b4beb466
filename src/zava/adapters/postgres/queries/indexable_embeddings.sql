-- Can pgvector index embeddings of so many dimensions, and search on until it has found enough?
SELECT %(dimensions)s <= 2000 AND string_to_array(extversion, '.')::integer[] >= '{0,8}'
FROM pg_extension
WHERE extname = 'vector'
