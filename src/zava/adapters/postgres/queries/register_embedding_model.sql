-- Which model embeds from now on? One of other dimensions is another model, whatever its name: its embeddings go.
WITH gone AS (
    DELETE FROM retail.product_description_embeddings
    WHERE model = %(model)s
        AND EXISTS (
            SELECT FROM retail.embedding_models AS known
            WHERE known.model = %(model)s AND known.dimensions <> %(dimensions)s
        )
)

INSERT INTO retail.embedding_models (model, dimensions)
VALUES (%(model)s, %(dimensions)s)
ON CONFLICT (model) DO UPDATE
SET dimensions = excluded.dimensions, active = false, completed_at = NULL
WHERE embedding_models.dimensions <> excluded.dimensions
