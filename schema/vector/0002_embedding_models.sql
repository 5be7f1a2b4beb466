-- Which model's embeddings serve? One, and only when every product has its own.
-- oldest-server: 0.1.0
SET LOCAL ROLE zava_owner;

CREATE TABLE retail.embedding_models (
    model text PRIMARY KEY CHECK (char_length(model) BETWEEN 1 AND 100),
    dimensions integer NOT NULL CHECK (dimensions BETWEEN 1 AND 16000),
    active boolean NOT NULL DEFAULT false,
    completed_at timestamptz
);
CREATE UNIQUE INDEX embedding_models_active ON retail.embedding_models (active) WHERE active;
COMMENT ON TABLE retail.embedding_models IS 'The models whose embeddings of products are here. `zava embed` writes them.';
COMMENT ON COLUMN retail.embedding_models.active IS 'Searches use this one. It changes only when another is complete.';

-- Columns and not the table: ctid and xmin tell what others write.
REVOKE SELECT ON retail.product_description_embeddings FROM zava_sandbox;
GRANT SELECT (product_id, model, embedding, content_hash, updated_at) ON retail.product_description_embeddings TO zava_sandbox;
GRANT SELECT (model, dimensions, active, completed_at) ON retail.embedding_models TO zava_sandbox;
GRANT SELECT ON retail.embedding_models TO zava_reader;

-- For those who come by SQL: the products nearest to an embedding of the active model, nearest first.
CREATE FUNCTION retail.search_products_by_description(
    query_embedding public.vector, similarity_threshold double precision DEFAULT 0.7, max_results integer DEFAULT 20
) RETURNS TABLE (product_id uuid, name text, description text, similarity_score double precision)
LANGUAGE sql STABLE
BEGIN ATOMIC
    -- First those of the model, then the threshold: vectors of other dimensions cannot be compared, and fail.
    WITH compared AS MATERIALIZED (
        SELECT
            stored.product_id,
            1 - (stored.embedding OPERATOR(public.<=>) query_embedding) AS similarity
        FROM retail.embedding_models AS serving
        INNER JOIN retail.product_description_embeddings AS stored ON serving.model = stored.model
        WHERE serving.active
    )

    SELECT
        product.product_id,
        product.name,
        product.description,
        compared.similarity
    FROM compared
    INNER JOIN retail.products AS product ON compared.product_id = product.product_id
    WHERE compared.similarity >= similarity_threshold
    ORDER BY compared.similarity DESC, product.product_id
    LIMIT least(greatest(max_results, 0), 1000);
END;
COMMENT ON FUNCTION retail.search_products_by_description(public.vector, double precision, integer)
    IS 'Products nearest to an embedding of the active model, by cosine similarity, nearest first.';
GRANT EXECUTE ON FUNCTION retail.search_products_by_description(public.vector, double precision, integer) TO zava_reader, zava_sandbox;
