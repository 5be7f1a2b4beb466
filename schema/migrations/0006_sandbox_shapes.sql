-- Free SQL gets the plans of a query that names its stores: a condition for who sees one store, some, or all of them.
-- oldest-server: 0.1.0
--
-- `store_id = ANY (list)` serves everybody, and keeps PostgreSQL from reading one store's rows in the order of the index
-- and makes head office compare every row with a list of all stores. Policies for one role would be joined by OR, which
-- takes the index from everybody; so the sandbox has a role for each shape, and each role one policy a table. Which one
-- a query runs as is no secret and needs no proof: every policy checks the sealed context for itself.

-- The context, verified with less to do in each transaction: functions that PostgreSQL can inline, and no order that
-- nobody needs.
GRANT SELECT (name) ON retail.stores TO zava_access;
SET LOCAL ROLE zava_access;

DROP FUNCTION access.seal_context(token text);
DROP FUNCTION access.context();
DROP FUNCTION access.sign(signing_key_id text, message text);

-- Nobody's to execute: a signing oracle would undo everything here.
CREATE FUNCTION access.sign(inner_pad bytea, outer_pad bytea, message text) RETURNS text
LANGUAGE sql STABLE
RETURN encode(sha256(outer_pad || sha256(inner_pad || convert_to(message, 'UTF8'))), 'hex');

CREATE OR REPLACE FUNCTION access.this_transaction() RETURNS text
LANGUAGE sql STABLE
RETURN pg_backend_pid() || '|' || (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint;

-- Who asks, in this transaction? Returns the names of their stores, and raises unless the server's token is genuine, fresh
-- and of an active principal.
CREATE FUNCTION access.seal_context(token text) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part text[] := string_to_array(token, '|');
    inner_half bytea;
    outer_half bytea;
    role_of_asking text;
    grants text[];
    stores uuid[];
    store_names text[];
    body text;
BEGIN
    IF coalesce(array_length(part, 1), 0) <> 4 OR part[1] = 'seal' THEN
        RAISE EXCEPTION 'the context token is malformed' USING ERRCODE = '28000';
    END IF;
    SELECT inner_pad, outer_pad INTO inner_half, outer_half FROM access.keys WHERE key_id = part[1];
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the context token is signed with an unknown key' USING ERRCODE = 'ZV002';  -- the server reads its file anew
    END IF;
    IF access.sign(inner_half, outer_half, part[1] || '|' || part[2] || '|' || part[3]) IS DISTINCT FROM part[4] THEN
        RAISE EXCEPTION 'the context token is not genuine' USING ERRCODE = '28000';
    END IF;
    IF part[3]::bigint < extract(epoch FROM clock_timestamp()) THEN
        RAISE EXCEPTION 'the context token has expired' USING ERRCODE = '28000',
            HINT = 'The clocks of server and database may differ.';
    END IF;
    IF coalesce(current_setting('zava.context', true), '') <> '' THEN
        RAISE EXCEPTION 'this transaction has a context already' USING ERRCODE = '28000';
    END IF;

    SELECT
        seal.inner_pad, seal.outer_pad, asking.role,
        ARRAY(SELECT grant_name FROM access.principal_grants WHERE principal_id = asking.principal_id)
    INTO inner_half, outer_half, role_of_asking, grants
    FROM access.principals AS asking, access.keys AS seal
    WHERE asking.principal_id = part[2]::uuid AND NOT asking.disabled AND seal.key_id = 'seal';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'nobody active goes by this name' USING ERRCODE = 'ZV001';  -- the one refusal that is the caller's
    END IF;
    IF role_of_asking = 'head_office' THEN
        SELECT array_agg(store_id), array_agg(name) INTO stores, store_names FROM retail.stores;
    ELSE
        SELECT array_agg(store_id), array_agg(name) INTO stores, store_names
        FROM access.principal_stores
        INNER JOIN retail.stores USING (store_id)
        WHERE principal_id = part[2]::uuid;
    END IF;
    body := concat_ws('|', part[2], role_of_asking, coalesce(stores, '{}'), grants, access.this_transaction());
    body := set_config('zava.context', body || '|' || access.sign(inner_half, outer_half, body), true);
    RETURN coalesce(store_names, '{}');
END
$$;
GRANT EXECUTE ON FUNCTION access.seal_context(text) TO zava_app;

-- The verified fields of this transaction's context: principal, role, stores, grants. A missing context raises. Called
-- by the functions below alone, as whose owner it runs.
CREATE FUNCTION access.context() RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $$
DECLARE
    sealed text := coalesce(current_setting('zava.context', true), '');
    body text := left(sealed, -65);   -- before the signature and its separator
    here text := '|' || access.this_transaction();
    inner_half bytea;
    outer_half bytea;
BEGIN
    IF sealed = '' THEN
        RAISE EXCEPTION 'nobody is asking: this transaction has no context' USING ERRCODE = '28000';
    END IF;
    SELECT inner_pad, outer_pad INTO inner_half, outer_half FROM access.keys WHERE key_id = 'seal';
    IF body || '|' || access.sign(inner_half, outer_half, body) IS DISTINCT FROM sealed
        OR right(body, length(here)) IS DISTINCT FROM here
    THEN
        RAISE EXCEPTION 'the context is forged or of another transaction' USING ERRCODE = '28000';
    END IF;
    RETURN (string_to_array(body, '|'))[1:4];
END
$$;

-- The store of who asks, where it is one. Who has several must not be shown the first of them.
CREATE FUNCTION access.my_store() RETURNS uuid
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    stores uuid[] := (access.context())[3];
BEGIN
    IF cardinality(stores) > 1 THEN
        RAISE EXCEPTION 'this context has several stores' USING ERRCODE = '28000';
    END IF;
    RETURN stores[1];
END
$$;
GRANT EXECUTE ON FUNCTION access.my_store() TO zava_owner, zava_sandbox;

SET LOCAL ROLE zava_owner;
DO $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY['stores', 'inventory', 'orders', 'order_items', 'returns', 'store_targets'] LOOP
        EXECUTE format('ALTER POLICY own_stores ON retail.%I TO zava_reader, zava_sandbox_some', table_name);
        EXECUTE format(
            'CREATE POLICY one_store ON retail.%I FOR SELECT TO zava_sandbox_one USING (store_id = (SELECT access.my_store()))',
            table_name
        );
        -- IS NOT NULL, since PostgreSQL takes a bare condition to leave half of the rows, and plans accordingly.
        EXECUTE format(
            'CREATE POLICY all_stores ON retail.%I FOR SELECT TO zava_sandbox_all '
            'USING ((SELECT nullif(access.sees_all_stores(), false)) IS NOT NULL)',
            table_name
        );
    END LOOP;
END
$$;

-- Rows of a query as the caller of this transaction's context sees them, as a JSON array of one object a row, in the order
-- of the query, and at last the word "rows" or "bytes" where a limit cut the answer short.
--
-- STABLE makes it read-only. The text becomes a sub-select, so PostgreSQL's own grammar admits one SELECT and nothing
-- else. It runs as a role of the sandbox, and within a SECURITY DEFINER function no role can be changed.
DROP FUNCTION sandbox.run(text, integer, integer);
DO $do$
DECLARE
    shape text;
BEGIN
    FOREACH shape IN ARRAY ARRAY['one', 'some', 'all'] LOOP
        EXECUTE format($format$
CREATE FUNCTION sandbox.run_for_%1$s(query text, most_rows integer, most_bytes integer) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = sandbox_functions, pg_catalog, retail, public, pg_temp
AS $$
DECLARE
    result record;
    result_row text;
    row_count integer := 0;
    byte_count bigint := 0;
    answer text[] := '{}';
BEGIN
    IF octet_length(query) > 20000 THEN
        RAISE EXCEPTION 'the query is longer than 20,000 bytes' USING ERRCODE = '54000';
    END IF;
    FOR result IN EXECUTE 'SELECT * FROM (' || query || E'\n) AS q LIMIT ' || (most_rows + 1) LOOP
        row_count := row_count + 1;
        IF row_count > most_rows THEN
            answer := answer || '"rows"'::text;
            EXIT;
        END IF;
        result_row := row_to_json(result);
        byte_count := byte_count + octet_length(result_row);
        IF byte_count > most_bytes THEN
            answer := answer || '"bytes"'::text;
            EXIT;
        END IF;
        answer := answer || result_row;
    END LOOP;
    RETURN '[' || array_to_string(answer, ',') || ']';
END
$$;
-- An owner may run its function, and a sandbox within the sandbox would begin to count its limits anew. The new owner
-- inherits the rights of the old one, which are none.
REVOKE ALL ON FUNCTION sandbox.run_for_%1$s(text, integer, integer) FROM zava_owner;
GRANT EXECUTE ON FUNCTION sandbox.run_for_%1$s(text, integer, integer) TO zava_app;
GRANT CREATE ON SCHEMA sandbox TO zava_sandbox_%1$s;
$format$, shape);
    END LOOP;
END
$do$;

-- A role of the sandbox may not use plpgsql, so that whatever else fails it cannot run a program. The administrator
-- hands the functions over.
RESET ROLE;
ALTER FUNCTION sandbox.run_for_one(text, integer, integer) OWNER TO zava_sandbox_one;
ALTER FUNCTION sandbox.run_for_some(text, integer, integer) OWNER TO zava_sandbox_some;
ALTER FUNCTION sandbox.run_for_all(text, integer, integer) OWNER TO zava_sandbox_all;
SET LOCAL ROLE zava_owner;
REVOKE CREATE ON SCHEMA sandbox FROM zava_sandbox_one, zava_sandbox_some, zava_sandbox_all;

-- Which of the three suits this transaction's context? Whoever forged it gains nothing: the policies look closer.
CREATE FUNCTION sandbox.run(query text, most_rows integer, most_bytes integer) RETURNS text
LANGUAGE sql STABLE
RETURN CASE
    WHEN split_part(current_setting('zava.context', true), '|', 2) = 'head_office'
        THEN sandbox.run_for_all(query, most_rows, most_bytes)
    WHEN split_part(current_setting('zava.context', true), '|', 3) LIKE '{%,%}'
        THEN sandbox.run_for_some(query, most_rows, most_bytes)
    ELSE sandbox.run_for_one(query, most_rows, most_bytes)
END;
GRANT EXECUTE ON FUNCTION sandbox.run(text, integer, integer) TO zava_app;
