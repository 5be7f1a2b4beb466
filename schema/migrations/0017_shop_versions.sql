-- Which state of the shop does a question see? So that an answer can be kept for as long as it is true.
-- oldest-server: 0.1.0
--
-- Each transaction that changes what answers are made of leaves a mark. Two transactions need not commit in the order of
-- their numbers, so the newest mark alone would not do: a version is the newest mark that a snapshot sees, and the
-- transactions of lower numbers that are under way in it. Two snapshots with the same version see the same marks: every
-- transaction up to the newest mark is over in both, or under way in both.
SET LOCAL ROLE zava_access;

CREATE TABLE access.changes (
    kind text NOT NULL CHECK (kind IN ('data', 'policy')),
    changed_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    mark uuid NOT NULL DEFAULT gen_random_uuid(),
    PRIMARY KEY (kind, changed_by)
);
COMMENT ON TABLE access.changes IS 'Marks of the latest transactions that changed the shop, or who may see what of it.';
COMMENT ON COLUMN access.changes.kind IS '"data" for the shop, "policy" for who may see what.';
-- A restored backup gives numbers of transactions a second time.
COMMENT ON COLUMN access.changes.mark IS 'Tells it from any other transaction, of this database or of one that was there before.';

-- One mark for each transaction, however many statements it has. Nobody waits for anybody else here.
CREATE FUNCTION access.mark_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO access.changes (kind) VALUES (TG_ARGV[0]) ON CONFLICT DO NOTHING;
    -- Who sees this mark needs none before it, and who does not sees those that this takes away. Now and then is enough.
    -- Under a stricter isolation it would be an error to take away what somebody else has taken away.
    IF FOUND AND random() < 0.02 AND current_setting('transaction_isolation') = 'read committed' THEN
        DELETE FROM access.changes
        WHERE ctid = ANY (ARRAY(
            SELECT passed.ctid
            FROM access.changes AS passed
            WHERE passed.kind = TG_ARGV[0] AND passed.changed_by < pg_current_xact_id()
            FOR UPDATE SKIP LOCKED
        ));
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION access.mark_change() IS 'Leaves a mark of this transaction.';
GRANT EXECUTE ON FUNCTION access.mark_change() TO zava_owner;

-- The version that the snapshot of this statement sees. Null where there is none: no mark was ever left, or this is a
-- standby, which does not tell what is under way, and something is.
CREATE FUNCTION access.version_of(wanted text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    seen pg_snapshot := pg_current_snapshot();
    newest access.changes;
BEGIN
    -- Marks of higher numbers were left in another cluster, from which this one was dumped.
    SELECT * INTO newest
    FROM access.changes
    WHERE kind = wanted AND changed_by < pg_snapshot_xmax(seen)
    ORDER BY changed_by DESC
    LIMIT 1;
    IF newest.changed_by < pg_snapshot_xmin(seen) THEN
        RETURN newest.mark;
    END IF;
    IF newest.mark IS NULL OR pg_is_in_recovery() THEN
        RETURN NULL;
    END IF;
    RETURN concat_ws(' ', newest.mark, (
        SELECT string_agg(number::text, ' ' ORDER BY number)
        FROM pg_snapshot_xip(seen) AS number
        WHERE number <= newest.changed_by
    ));
END
$$;

CREATE FUNCTION access.shop_version() RETURNS TABLE (data_version text, policy_version text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN RETURN QUERY SELECT access.version_of('data'), access.version_of('policy'); END $$;
COMMENT ON FUNCTION access.shop_version() IS 'Changes whenever the shop does, or who may see what. The same for two snapshots only when both see the same.';
GRANT EXECUTE ON FUNCTION access.shop_version() TO zava_app, zava_reader;

-- What row policies and masks go by, of who asks: role, stores, grants. The same for all who see the same.
CREATE FUNCTION access.my_rights() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    sealed text[] := access.context();
BEGIN
    RETURN encode(sha256(convert_to(concat_ws(
        '|',
        sealed[2],
        (SELECT string_agg(store, ',' ORDER BY store) FROM unnest(sealed[3]::text[]) AS store),
        '|',
        (SELECT string_agg(held, ',' ORDER BY held) FROM unnest(sealed[4]::text[]) AS held)
    ), 'UTF8')), 'hex');
END
$$;
COMMENT ON FUNCTION access.my_rights() IS 'The same for all who have the same role, stores and grants.';
GRANT EXECUTE ON FUNCTION access.my_rights() TO zava_app, zava_reader;

DO $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY[
        'principals', 'principal_stores', 'principal_grants', 'group_roles', 'group_stores', 'migrations'
    ] LOOP
        EXECUTE format(
            'CREATE TRIGGER mark_policy AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON access.%I '
            'FOR EACH STATEMENT EXECUTE FUNCTION access.mark_change(''policy'')',
            table_name
        );
        EXECUTE format('ALTER TABLE access.%I ENABLE ALWAYS TRIGGER mark_policy', table_name);
    END LOOP;
END
$$;

-- An answer may be of any of these. Sums and words are made of them, and say the same.
SET LOCAL ROLE zava_owner;
DO $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY[
        'business_settings', 'stores', 'customer_records', 'categories', 'product_types', 'products', 'inventory',
        'orders', 'order_items', 'returns', 'store_targets'
    ] LOOP
        EXECUTE format(
            'CREATE TRIGGER mark_data AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON retail.%I '
            'FOR EACH STATEMENT EXECUTE FUNCTION access.mark_change(''data'')',
            table_name
        );
        EXECUTE format('ALTER TABLE retail.%I ENABLE ALWAYS TRIGGER mark_data', table_name);
    END LOOP;
    -- Head office sees the stores that there are.
    CREATE TRIGGER mark_policy AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON retail.stores
    FOR EACH STATEMENT EXECUTE FUNCTION access.mark_change('policy');
    ALTER TABLE retail.stores ENABLE ALWAYS TRIGGER mark_policy;
END
$$;

SET LOCAL ROLE zava_access;
INSERT INTO access.changes (kind) VALUES ('data'), ('policy') ON CONFLICT DO NOTHING;
