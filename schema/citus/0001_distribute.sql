-- The shop on several machines: its tables distributed by store over the workers of a Citus cluster.
-- oldest-server: 0.1.0
--
-- Applied where the extension citus is installed and has workers; docs/citus.md says when that should be. It has been
-- run against stand-ins of Citus's functions, and not on Citus yet.
--
-- Stores of one kind of table lie beside those of every other, so that a question about one store is answered by one
-- machine. What Citus refuses on such tables gives way here: sub-queries in policies, triggers, and keys that change.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM citus_get_active_worker_nodes()) THEN
        RAISE EXCEPTION 'this Citus cluster has no workers: add them with citus_add_node, then run `zava db migrate` again';
    END IF;
END
$$;

-- What holds in all parts of a transaction is told to the workers: the context of who asks is SET LOCAL.
RESET ROLE;
DO $$
BEGIN
    EXECUTE format('ALTER ROLE zava_app IN DATABASE %I SET citus.propagate_set_commands = %L', current_database(), 'local');
END
$$;

-- Free SQL may join in any order, and some orders under row security end the coordinator. None of it runs here.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA sandbox FROM zava_app;

SET LOCAL ROLE zava_access;
ALTER TABLE access.migrations
DROP CONSTRAINT migrations_series_check,
ADD CONSTRAINT migrations_series_check CHECK (series IN ('install', 'migrations', 'vector', 'citus'));

-- As before on the coordinator, where the context belongs to one transaction of one backend. A worker has a backend and a
-- transaction of its own: there the seal must be right, and the transaction that it was made in at most a minute old.
CREATE OR REPLACE FUNCTION access.context() RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $$
DECLARE
    sealed text := coalesce(current_setting('zava.context', true), '');
    body text := left(sealed, -65);   -- before the signature and its separator
    part text[] := string_to_array(body, '|');
    here text := '|' || access.this_transaction();
    inner_half bytea;
    outer_half bytea;
BEGIN
    IF sealed = '' THEN
        RAISE EXCEPTION 'nobody is asking: this transaction has no context' USING ERRCODE = '28000';
    END IF;
    SELECT inner_pad, outer_pad INTO inner_half, outer_half FROM access.keys WHERE key_id = 'seal';
    IF body || '|' || access.sign(inner_half, outer_half, body) IS DISTINCT FROM sealed THEN
        RAISE EXCEPTION 'the context is forged or of another transaction' USING ERRCODE = '28000';
    END IF;
    IF citus_is_coordinator() IS NOT FALSE THEN
        IF right(body, length(here)) IS DISTINCT FROM here THEN
            RAISE EXCEPTION 'the context is forged or of another transaction' USING ERRCODE = '28000';
        END IF;
    -- The last part is the start of the transaction, in microseconds. The clocks of two machines may differ a little.
    ELSIF extract(epoch FROM statement_timestamp()) - part[cardinality(part)]::bigint / 1000000 NOT BETWEEN -10 AND 60 THEN
        RAISE EXCEPTION 'the context has expired' USING ERRCODE = '28000',
            HINT = 'The clocks of the coordinator and of this worker may differ.';
    END IF;
    RETURN part[1:4];
END
$$;

-- Without a sub-select it is computed for each row that is compared, and once for each look into an index: the planner is
-- to choose the index.
ALTER FUNCTION access.my_stores() COST 10000;

SET LOCAL ROLE zava_owner;
DO $$
DECLARE
    table_name text;
BEGIN
    -- For free SQL.
    FOREACH table_name IN ARRAY ARRAY['stores', 'inventory', 'orders', 'order_items', 'returns', 'store_targets'] LOOP
        EXECUTE format('DROP POLICY one_store ON retail.%I', table_name);
        EXECUTE format('DROP POLICY all_stores ON retail.%I', table_name);
    END LOOP;
    FOREACH table_name IN ARRAY ARRAY[
        'stores', 'customer_records', 'inventory', 'orders', 'order_items', 'returns', 'store_targets',
        'sales_changes', 'sales_by_day', 'sales_by_category', 'sales_by_category_and_month', 'sales_by_product'
    ] LOOP
        EXECUTE format(
            'ALTER POLICY own_stores ON retail.%I TO zava_reader USING (store_id = ANY (access.my_stores()))', table_name
        );
    END LOOP;
END
$$;

-- A view asks the workers as whoever reads it, and not as its owner. So that nobody can reach behind it there, the reader
-- has a right to masked columns and to no others: the grant "personal" unmasks nobody here.
ALTER POLICY own_stores ON retail.customer_records TO zava_access, zava_reader;
ALTER TABLE retail.customer_records
ADD COLUMN masked_first_name text NOT NULL GENERATED ALWAYS AS (left(first_name, 1) || '***') STORED,
ADD COLUMN masked_last_name text NOT NULL GENERATED ALWAYS AS (left(last_name, 1) || '***') STORED,
ADD COLUMN masked_email text GENERATED ALWAYS AS (left(email, 1) || '***@***') STORED;
GRANT CREATE ON SCHEMA retail TO zava_access;
SET LOCAL ROLE zava_access;
CREATE OR REPLACE VIEW retail.customers WITH (security_barrier) AS
SELECT
    store_id,
    customer_id,
    masked_first_name AS first_name,
    masked_last_name AS last_name,
    masked_email AS email,
    created_at
FROM retail.customer_records;
COMMENT ON VIEW retail.customers IS 'Customers of your stores. Names and e-mail are masked.';
SET LOCAL ROLE zava_owner;
REVOKE CREATE ON SCHEMA retail FROM zava_access;

-- The key of an order cannot change with its date: the store in it says where the rows lie.
ALTER TABLE retail.order_items DROP CONSTRAINT order_items_store_id_order_id_order_date_fkey;
ALTER TABLE retail.order_items
ADD FOREIGN KEY (store_id, order_id, order_date) REFERENCES retail.orders (store_id, order_id, order_date);

-- What the triggers did is done by these, after each load and in its transaction.
CREATE FUNCTION retail.note_sales(of_store uuid, first_day date, last_day date) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO retail.sales_changes (store_id, day)
    SELECT of_store, marked.day::date
    FROM generate_series(first_day::timestamp, last_day::timestamp, interval '1 day') AS marked (day)
    ON CONFLICT DO NOTHING
$$;
COMMENT ON FUNCTION retail.note_sales(uuid, date, date)
    IS 'Marks the sums of a store''s days as out of date. Whoever writes orders, lines or returns calls it.';

CREATE FUNCTION retail.note_stock(of_store uuid) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM retail.product_availability AS told
    WHERE told.store_id = of_store
        AND NOT EXISTS (
            SELECT FROM retail.inventory AS stock
            WHERE stock.store_id = of_store AND stock.store_id = told.store_id AND stock.product_id = told.product_id
        );
    INSERT INTO retail.product_availability AS told (store_id, product_id, availability)
    SELECT
        stock.store_id,
        stock.product_id,
        CASE
            WHEN stock.stock_level = 0 THEN 'none'
            WHEN stock.stock_level <= stock.reorder_level THEN 'low'
            ELSE 'in_stock'
        END
    FROM retail.inventory AS stock
    WHERE stock.store_id = of_store
    ON CONFLICT (store_id, product_id) DO UPDATE SET availability = excluded.availability
    WHERE told.availability <> excluded.availability
$$;
COMMENT ON FUNCTION retail.note_stock(uuid) IS 'Tells the chain what a store has. Whoever writes inventory calls it.';

CREATE FUNCTION retail.note_products() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT retail.describe_products(ARRAY(SELECT product.product_id FROM retail.products AS product));
    INSERT INTO retail.product_words (word)
    SELECT said.word FROM retail.words_of(ARRAY(SELECT product.product_id FROM retail.products AS product)) AS said (word)
    ON CONFLICT DO NOTHING
$$;
COMMENT ON FUNCTION retail.note_products()
    IS 'Writes down what is searched of products. Whoever writes products, their types or categories calls it.';

DO $$
DECLARE
    trigger record;
BEGIN
    FOR trigger IN
        SELECT tgname AS name, tgrelid::regclass AS relation
        FROM pg_trigger
        INNER JOIN pg_class ON pg_trigger.tgrelid = pg_class.oid
        WHERE pg_class.relnamespace = 'retail'::regnamespace AND NOT tgisinternal
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', trigger.name, trigger.relation);
    END LOOP;
END
$$;

-- Foreign keys lead from one table to the next: all of it goes over one connection to each worker.
RESET ROLE;
SET LOCAL citus.multi_shard_modify_mode = 'sequential';

-- To Citus the table of keys, which will be whole on each worker, is a distributed one, and is not read within a part of
-- a question unless a setting says so.
ALTER FUNCTION access.context() SET citus.allow_nested_distributed_execution = on;

-- Whole on every machine: what is the same in every store, and the key by which a worker knows the seal.
DO $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY[
        'access.keys', 'retail.business_settings', 'retail.stores', 'retail.categories', 'retail.product_types',
        'retail.products', 'retail.product_search', 'retail.product_words', 'retail.product_description_embeddings',
        'retail.embedding_models'
    ] LOOP
        -- The last two are there where there is pgvector.
        IF to_regclass(table_name) IS NOT NULL THEN
            PERFORM create_reference_table(table_name::regclass);
        END IF;
    END LOOP;
END
$$;

-- What the policies call, before there is a table that calls it.
DO $$
DECLARE
    function_name text;
BEGIN
    FOREACH function_name IN ARRAY ARRAY[
        'access.sign(bytea, bytea, text)', 'access.this_transaction()', 'access.context()', 'access.my_stores()'
    ] LOOP
        PERFORM create_distributed_function(function_name::regprocedure);
    END LOOP;
END
$$;

DO $$
DECLARE
    table_name text;
BEGIN
    PERFORM create_distributed_table('retail.customer_records'::regclass, 'store_id', colocate_with => 'none');
    -- Each after those that it refers to.
    FOREACH table_name IN ARRAY ARRAY[
        'inventory', 'orders', 'order_items', 'returns', 'store_targets', 'product_availability', 'sales_changes',
        'sales_by_day', 'sales_by_category', 'sales_by_category_and_month', 'sales_by_product'
    ] LOOP
        PERFORM create_distributed_table(
            format('retail.%I', table_name)::regclass, 'store_id', colocate_with => 'retail.customer_records'
        );
    END LOOP;
END
$$;

-- At last, since Citus takes rights to columns along when they are granted, and not when a table is distributed.
SET LOCAL ROLE zava_owner;
GRANT SELECT (store_id, customer_id, masked_first_name, masked_last_name, masked_email, created_at)
ON retail.customer_records TO zava_reader;
