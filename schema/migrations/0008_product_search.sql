-- Products are found by what is said of them, and each store's stock is told to the others in three words.
-- oldest-server: 0.1.0
SET LOCAL ROLE zava_owner;

-- Sizes are written in many ways: 16x25x1 and 16 x 25 x 1, 3/8" and 3/8 inch, 8ft and 8 feet. This is one way.
CREATE FUNCTION retail.plain_sizes(written text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
        regexp_replace(lower(written), '(\d)\s*[x×*]\s*(?=\d)', '\1 ', 'g'),
        '(\d)\s*("|″|-?inch(es)?\M|-?in\M\.?)', '\1 in ', 'g'),
        '(\d)\s*(''|′|-?f(ee|oo)?t\M\.?)', '\1 ft ', 'g'),
        '(\d)\s*-?gal(lons?)?\M\.?', '\1 gal ', 'g'),
        '(\d)\s*-?(lbs?|pounds?)\M\.?', '\1 lb ', 'g'),
        '(\d)[ -]*(v|w|a|oz|mm|cm|m|amps?|volts?|watts?)\M', '\1 \2', 'g');
END;
COMMENT ON FUNCTION retail.plain_sizes(text) IS 'A text in lower case, its sizes written in one way.';

CREATE FUNCTION retail.measures(written text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT ARRAY(
        SELECT word FROM regexp_split_to_table(retail.plain_sizes(written), '[^a-z0-9/.-]+') AS word WHERE word ~ '\d'
    );
END;
COMMENT ON FUNCTION retail.measures(text) IS 'The sizes, ratings and counts in a text, such as 3/8 or 18.';
GRANT EXECUTE ON FUNCTION retail.plain_sizes(text), retail.measures(text) TO zava_reader;

-- What is searched. Kept apart from the products, since most questions need none of it.
CREATE TABLE retail.product_search (
    product_id uuid PRIMARY KEY REFERENCES retail.products ON DELETE CASCADE,
    content text NOT NULL,
    content_hash text GENERATED ALWAYS AS (md5(content)) STORED,
    words tsvector NOT NULL,
    measures text[] NOT NULL
);
COMMENT ON TABLE retail.product_search IS 'What is searched of each product. Triggers keep it.';
COMMENT ON COLUMN retail.product_search.content IS 'Name, description, kind and category: what an embedding is made of.';
COMMENT ON COLUMN retail.product_search.content_hash IS 'An embedding of another hash is out of date.';
COMMENT ON COLUMN retail.product_search.measures IS 'Sizes, ratings and counts in the name.';
COMMENT ON COLUMN retail.product_search.words IS 'The same and the SKU, for full text: A in the name, B in kind and category, C in the description.';
CREATE INDEX product_search_by_words ON retail.product_search USING gin (words);
GRANT SELECT ON retail.product_search TO zava_reader;

CREATE FUNCTION retail.describe_products(described uuid[]) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO retail.product_search (product_id, content, words, measures)
    SELECT
        product.product_id,
        format('%s. %s (%s, %s)', product.name, product.description, product_type.name, category.name),
        setweight(to_tsvector('english', retail.plain_sizes(product.name) || ' ' || product.sku), 'A')
        || setweight(to_tsvector('english', product_type.name || ' ' || category.name), 'B')
        || setweight(to_tsvector('english', retail.plain_sizes(product.description)), 'C'),
        retail.measures(product.name)
    FROM retail.products AS product
    INNER JOIN retail.product_types AS product_type ON product.product_type_id = product_type.product_type_id
    INNER JOIN retail.categories AS category ON product_type.category_id = category.category_id
    WHERE product.product_id = ANY (described)
    ON CONFLICT (product_id) DO UPDATE
    SET content = EXCLUDED.content, words = EXCLUDED.words, measures = EXCLUDED.measures
    WHERE product_search.content <> EXCLUDED.content OR product_search.words <> EXCLUDED.words;
END;
COMMENT ON FUNCTION retail.describe_products(uuid[]) IS 'Writes down what is searched of these products.';

CREATE FUNCTION retail.describe_changed_products() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM retail.describe_products(ARRAY(SELECT product_id FROM changed));
    RETURN NULL;
END
$$;
CREATE TRIGGER describe_new AFTER INSERT ON retail.products
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION retail.describe_changed_products();
CREATE TRIGGER describe_changed AFTER UPDATE ON retail.products
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION retail.describe_changed_products();

CREATE FUNCTION retail.describe_renamed_type() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM retail.describe_products(ARRAY(
        SELECT product_id FROM retail.products WHERE product_type_id IN (SELECT product_type_id FROM changed)
    ));
    RETURN NULL;
END
$$;
CREATE TRIGGER describe_changed AFTER UPDATE ON retail.product_types
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION retail.describe_renamed_type();

CREATE FUNCTION retail.describe_renamed_category() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM retail.describe_products(ARRAY(
        SELECT product_id
        FROM retail.products
        INNER JOIN retail.product_types USING (product_type_id)
        WHERE category_id IN (SELECT category_id FROM changed)
    ));
    RETURN NULL;
END
$$;
CREATE TRIGGER describe_changed AFTER UPDATE ON retail.categories
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION retail.describe_renamed_category();

SELECT retail.describe_products(ARRAY(SELECT product_id FROM retail.products));

-- "Which store has it?" is asked of stores that are not one's own. Three words answer it, and no number.
CREATE TABLE retail.product_availability (
    store_id uuid NOT NULL REFERENCES retail.stores,
    product_id uuid NOT NULL REFERENCES retail.products ON DELETE CASCADE,
    availability text NOT NULL CHECK (availability IN ('in_stock', 'low', 'none')),
    PRIMARY KEY (store_id, product_id)
);
CREATE INDEX product_availability_by_product ON retail.product_availability (product_id);
COMMENT ON TABLE retail.product_availability IS 'Whether each store of the chain has a product. A trigger on inventory keeps it. Free SQL cannot read it.';
COMMENT ON COLUMN retail.product_availability.availability IS 'low: at or below the level at which the store reorders.';
ALTER TABLE retail.product_availability ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON retail.product_availability TO zava_owner USING (true) WITH CHECK (true);
CREATE POLICY everywhere ON retail.product_availability FOR SELECT TO zava_reader USING (true);
GRANT SELECT ON retail.product_availability TO zava_reader;

CREATE FUNCTION retail.tell_availability() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO retail.product_availability (store_id, product_id, availability)
    SELECT
        store_id,
        product_id,
        CASE WHEN stock_level = 0 THEN 'none' WHEN stock_level <= reorder_level THEN 'low' ELSE 'in_stock' END
    FROM changed
    ON CONFLICT (store_id, product_id) DO UPDATE SET availability = EXCLUDED.availability
    WHERE product_availability.availability <> EXCLUDED.availability;
    RETURN NULL;
END
$$;
CREATE TRIGGER tell_availability_of_new AFTER INSERT ON retail.inventory
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION retail.tell_availability();
CREATE TRIGGER tell_availability AFTER UPDATE ON retail.inventory
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION retail.tell_availability();

CREATE FUNCTION retail.forget_availability() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM retail.product_availability AS told
    USING gone
    WHERE told.store_id = gone.store_id AND told.product_id = gone.product_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_availability AFTER DELETE ON retail.inventory
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION retail.forget_availability();

INSERT INTO retail.product_availability (store_id, product_id, availability)
SELECT
    store_id,
    product_id,
    CASE WHEN stock_level = 0 THEN 'none' WHEN stock_level <= reorder_level THEN 'low' ELSE 'in_stock' END
FROM retail.inventory;

-- Names of stores, for the table above: row security shows everybody their own alone.
SET LOCAL ROLE zava_access;
CREATE FUNCTION access.chain_stores() RETURNS TABLE (store_id uuid, name text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT store.store_id, store.name FROM retail.stores AS store;
END;
GRANT EXECUTE ON FUNCTION access.chain_stores() TO zava_owner, zava_reader;

SET LOCAL ROLE zava_owner;
-- What a person sees of a product: its place in the assortment, its price, and who has it. Inlined into the query that
-- asks, so that row security is of whoever asks.
CREATE FUNCTION retail.product_card(shown uuid, tell_availability boolean) RETURNS TABLE (
    product_id uuid,
    name text,
    sku text,
    category text,
    price numeric,
    currency text,
    description text,
    stock json,
    elsewhere json
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT
        product.product_id,
        product.name,
        product.sku,
        category.name,
        product.base_price,
        (SELECT business.currency FROM retail.business_settings AS business),
        product.description,
        coalesce(own.stock, '[]'),
        coalesce(other.elsewhere, '[]')
    FROM retail.products AS product
    INNER JOIN retail.product_types AS product_type ON product.product_type_id = product_type.product_type_id
    INNER JOIN retail.categories AS category ON product_type.category_id = category.category_id
    LEFT JOIN LATERAL (
        SELECT
            json_agg(
                json_build_object('store', store.name, 'stock_level', level.stock_level)
                ORDER BY level.stock_level DESC, store.name
            ) AS stock
        FROM retail.stores AS store
        INNER JOIN retail.inventory AS level ON store.store_id = level.store_id
        WHERE level.product_id = product.product_id
    ) AS own ON true
    LEFT JOIN LATERAL (
        SELECT
            json_agg(
                json_build_object('store', store.name, 'availability', told.availability) ORDER BY store.name
            ) AS elsewhere
        FROM retail.product_availability AS told
        INNER JOIN access.chain_stores() AS store ON told.store_id = store.store_id
        WHERE tell_availability
            AND told.product_id = product.product_id
            AND told.store_id <> ALL ((SELECT access.my_stores())::uuid[])
    ) AS other ON true
    WHERE product.product_id = shown;
END;
COMMENT ON FUNCTION retail.product_card(uuid, boolean) IS 'A product as whoever asks sees it.';
GRANT EXECUTE ON FUNCTION retail.product_card(uuid, boolean) TO zava_reader;
