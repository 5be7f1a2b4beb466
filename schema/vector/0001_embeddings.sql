-- Product descriptions as vectors. Several models live side by side: the column has no fixed dimension.
-- oldest-server: 0.1.0
SET LOCAL ROLE zava_owner;

CREATE TABLE retail.product_description_embeddings (
    product_id uuid NOT NULL REFERENCES retail.products ON DELETE CASCADE,
    model text NOT NULL CHECK (char_length(model) BETWEEN 1 AND 100),
    embedding public.vector NOT NULL,
    content_hash text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (product_id, model)
);
COMMENT ON TABLE retail.product_description_embeddings IS 'One vector for each product and model. Vectors of two models cannot be compared.';
COMMENT ON COLUMN retail.product_description_embeddings.content_hash IS 'Of the text that was embedded: a product whose hash differs is due again.';
GRANT SELECT ON retail.product_description_embeddings TO zava_reader, zava_sandbox;
