-- The words that products are called and described by: a question's misspelled words are read as one of these.
-- oldest-server: 0.1.0
SET LOCAL ROLE zava_owner;

CREATE TABLE retail.product_words (
    word text PRIMARY KEY
);
COMMENT ON TABLE retail.product_words IS 'The words of products, and SKUs of letters alone, in lower case. A trigger adds them; none is taken away.';
GRANT SELECT ON retail.product_words TO zava_reader;

CREATE FUNCTION retail.words_of(products uuid[]) RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT said.word[1]
    FROM retail.product_search AS described
    -- "plumber's" is looked for as "plumbers" too.
    CROSS JOIN regexp_matches(
        lower(described.content || ' ' || replace(described.content, '''', '')), '\m[a-z]{4,20}\M', 'g'
    ) AS said (word)
    WHERE described.product_id = ANY (products)
    UNION
    SELECT lower(product.sku)
    FROM retail.products AS product
    WHERE product.product_id = ANY (products) AND product.sku ~ '^[A-Za-z]{4,20}$'
    ORDER BY 1;
END;
COMMENT ON FUNCTION retail.words_of(uuid[]) IS 'The words of these products, and SKUs of letters alone, each once, in order.';

CREATE FUNCTION retail.keep_words() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- In order, so that two who add products at once do not wait for each other.
    INSERT INTO retail.product_words (word)
    SELECT word FROM retail.words_of(ARRAY(SELECT product_id FROM changed)) AS word
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_words_of_new AFTER INSERT ON retail.product_search
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION retail.keep_words();
CREATE TRIGGER keep_words AFTER UPDATE ON retail.product_search
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION retail.keep_words();

INSERT INTO retail.product_words (word)
SELECT word FROM retail.words_of(ARRAY(SELECT product_id FROM retail.products)) AS word;
