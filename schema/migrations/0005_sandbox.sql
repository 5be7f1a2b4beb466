-- The sandbox: where SQL that somebody else wrote runs, as a role that can do nothing but read the caller's own rows.
-- oldest-server: 0.1.0

-- Table rights would include system columns, and ctid or xmin tell how much everybody else wrote.
SET LOCAL ROLE zava_owner;
DO $$
DECLARE
    relation regclass;
BEGIN
    FOR relation IN
        SELECT oid::regclass FROM pg_class
        WHERE relnamespace = 'retail'::regnamespace AND relkind = 'r' AND has_table_privilege('zava_sandbox', oid, 'SELECT')
    LOOP
        EXECUTE format('REVOKE SELECT ON %s FROM zava_sandbox', relation);
        EXECUTE (
            SELECT format('GRANT SELECT (%s) ON %s TO zava_sandbox', string_agg(quote_ident(attname), ', '), relation)
            FROM pg_attribute
            WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped
        );
    END LOOP;
END
$$;

COMMENT ON COLUMN retail.orders.order_date IS
    'Date of ordered_at in the business time zone. Filter on this one, with dates: order_date >= date_trunc(''month'', now())::date.';

-- "Today" is the shop's today. Every query of a caller's own runs in this time zone.
GRANT SELECT ON retail.business_settings TO zava_access;
SET LOCAL ROLE zava_access;
CREATE FUNCTION access.business_time_zone() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT time_zone FROM retail.business_settings $$;
GRANT EXECUTE ON FUNCTION access.business_time_zone() TO zava_app;
SET LOCAL ROLE zava_owner;

-- Rows of a query as the caller of this transaction's context sees them. First a row about the answer, then one JSON
-- object a row, in the order of the query, and at last the word "rows" or "bytes" where a limit cut the answer short.
--
-- STABLE makes it read-only. The text becomes a sub-select, so PostgreSQL's own grammar admits one SELECT and nothing
-- else. It runs as zava_sandbox, and within a SECURITY DEFINER function no role can be changed.
CREATE FUNCTION sandbox.run(query text, most_rows integer, most_bytes integer) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = sandbox_functions, pg_catalog, retail, public, pg_temp
AS $$
DECLARE
    result record;
    result_row text;
    row_count integer := 0;
    byte_count bigint := 0;
BEGIN
    IF octet_length(query) > 20000 THEN
        RAISE EXCEPTION 'the query is longer than 20,000 bytes' USING ERRCODE = '54000';
    END IF;
    RETURN NEXT json_build_object(
        'as_of', transaction_timestamp(), 'stores', ARRAY(SELECT store.name FROM retail.stores AS store ORDER BY store.name)
    );
    FOR result IN EXECUTE 'SELECT * FROM (' || query || E'\n) AS q LIMIT ' || (most_rows + 1) LOOP
        row_count := row_count + 1;
        IF row_count > most_rows THEN
            RETURN NEXT '"rows"';
            RETURN;
        END IF;
        result_row := row_to_json(result);
        byte_count := byte_count + octet_length(result_row);
        IF byte_count > most_bytes THEN
            RETURN NEXT '"bytes"';
            RETURN;
        END IF;
        RETURN NEXT result_row;
    END LOOP;
END
$$;
-- An owner may run its function, and a sandbox within the sandbox would begin to count its limits anew. The new owner
-- inherits the rights of the old one, which are none.
REVOKE ALL ON FUNCTION sandbox.run(text, integer, integer) FROM zava_owner;
GRANT EXECUTE ON FUNCTION sandbox.run(text, integer, integer) TO zava_app;

-- zava_sandbox may not use plpgsql, so that whatever else fails it cannot run a program. The administrator hands it over.
GRANT CREATE ON SCHEMA sandbox TO zava_sandbox;
RESET ROLE;
ALTER FUNCTION sandbox.run(text, integer, integer) OWNER TO zava_sandbox;
SET LOCAL ROLE zava_owner;
REVOKE CREATE ON SCHEMA sandbox FROM zava_sandbox;

-- Functions of PostgreSQL's that need a bound: a result, or a search, of a gigabyte is not interrupted by any timeout.
SET LOCAL ROLE zava_functions;

CREATE FUNCTION sandbox_functions.lpad(string text, length integer, fill text DEFAULT ' ') RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF length > 1000 THEN
        RAISE EXCEPTION 'lpad: the length must be at most 1,000' USING ERRCODE = '54000';
    END IF;
    RETURN pg_catalog.lpad(string, length, fill);
END
$$;

CREATE FUNCTION sandbox_functions.rpad(string text, length integer, fill text DEFAULT ' ') RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF length > 1000 THEN
        RAISE EXCEPTION 'rpad: the length must be at most 1,000' USING ERRCODE = '54000';
    END IF;
    RETURN pg_catalog.rpad(string, length, fill);
END
$$;

CREATE FUNCTION sandbox_functions.repeat(string text, number integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF number::bigint * octet_length(string) > 10000 THEN
        RAISE EXCEPTION 'repeat: the result must be at most 10,000 bytes' USING ERRCODE = '54000';
    END IF;
    RETURN pg_catalog.repeat(string, number);
END
$$;

-- A search compares up to length × length of the part.
CREATE FUNCTION sandbox_functions.check_search(function_name text, string text, part text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(string)::bigint * octet_length(part) > 20000000 THEN
        RAISE EXCEPTION '%: the texts are too long', function_name USING ERRCODE = '54000';
    END IF;
END
$$;

CREATE FUNCTION sandbox_functions.replace(string text, part text, replacement text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sandbox_functions.check_search('replace', string, part);
    PERFORM sandbox_functions.check_search('replace', string, replacement);
    RETURN pg_catalog.replace(string, part, replacement);
END
$$;

CREATE FUNCTION sandbox_functions.strpos(string text, part text) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sandbox_functions.check_search('strpos', string, part);
    RETURN pg_catalog.strpos(string, part);
END
$$;

CREATE FUNCTION sandbox_functions.split_part(string text, delimiter text, field integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sandbox_functions.check_search('split_part', string, delimiter);
    RETURN pg_catalog.split_part(string, delimiter, field);
END
$$;

CREATE FUNCTION sandbox_functions.string_to_array(string text, delimiter text, null_string text DEFAULT NULL) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sandbox_functions.check_search('string_to_array', string, delimiter);
    RETURN pg_catalog.string_to_array(string, delimiter, null_string);
END
$$;

CREATE FUNCTION sandbox_functions.string_to_table(string text, delimiter text, null_string text DEFAULT NULL) RETURNS SETOF text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sandbox_functions.check_search('string_to_table', string, delimiter);
    RETURN QUERY SELECT pg_catalog.string_to_table(string, delimiter, null_string);
END
$$;

GRANT EXECUTE ON FUNCTION
    sandbox_functions.lpad(text, integer, text), sandbox_functions.rpad(text, integer, text),
    sandbox_functions.repeat(text, integer), sandbox_functions.replace(text, text, text),
    sandbox_functions.strpos(text, text), sandbox_functions.split_part(text, text, integer),
    sandbox_functions.string_to_array(text, text, text), sandbox_functions.string_to_table(text, text, text)
TO zava_sandbox;

-- Operators that compare each part of one value with each of another are not interrupted either. Free SQL finds these
-- first, and may not use PostgreSQL's own.

CREATE FUNCTION sandbox_functions.array_contains(a anyarray, b anyarray) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF cardinality(a)::bigint * cardinality(b) > 20000000 THEN
        RAISE EXCEPTION '@>: the values are too long' USING ERRCODE = '54000';
    END IF;
    RETURN a OPERATOR(pg_catalog.@>) b;
END
$$;
CREATE OPERATOR sandbox_functions.@> (LEFTARG = anyarray, RIGHTARG = anyarray, FUNCTION = sandbox_functions.array_contains);

CREATE FUNCTION sandbox_functions.array_contained(a anyarray, b anyarray) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF cardinality(a)::bigint * cardinality(b) > 20000000 THEN
        RAISE EXCEPTION '<@: the values are too long' USING ERRCODE = '54000';
    END IF;
    RETURN a OPERATOR(pg_catalog.<@) b;
END
$$;
CREATE OPERATOR sandbox_functions.<@ (LEFTARG = anyarray, RIGHTARG = anyarray, FUNCTION = sandbox_functions.array_contained);

CREATE FUNCTION sandbox_functions.array_overlaps(a anyarray, b anyarray) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF cardinality(a)::bigint * cardinality(b) > 20000000 THEN
        RAISE EXCEPTION '&&: the values are too long' USING ERRCODE = '54000';
    END IF;
    RETURN a OPERATOR(pg_catalog.&&) b;
END
$$;
CREATE OPERATOR sandbox_functions.&& (LEFTARG = anyarray, RIGHTARG = anyarray, FUNCTION = sandbox_functions.array_overlaps);

CREATE FUNCTION sandbox_functions.jsonb_contains(a jsonb, b jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_column_size(a)::bigint * pg_column_size(b) / 64 > 20000000 THEN
        RAISE EXCEPTION '@>: the values are too long' USING ERRCODE = '54000';
    END IF;
    RETURN a OPERATOR(pg_catalog.@>) b;
END
$$;
CREATE OPERATOR sandbox_functions.@> (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = sandbox_functions.jsonb_contains);

CREATE FUNCTION sandbox_functions.jsonb_contained(a jsonb, b jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_column_size(a)::bigint * pg_column_size(b) / 64 > 20000000 THEN
        RAISE EXCEPTION '<@: the values are too long' USING ERRCODE = '54000';
    END IF;
    RETURN a OPERATOR(pg_catalog.<@) b;
END
$$;
CREATE OPERATOR sandbox_functions.<@ (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = sandbox_functions.jsonb_contained);

CREATE FUNCTION sandbox_functions.jsonb_exists_any(a jsonb, b text[]) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_column_size(a)::bigint * cardinality(b) / 8 > 20000000 THEN
        RAISE EXCEPTION '?|: the values are too long' USING ERRCODE = '54000';
    END IF;
    RETURN a OPERATOR(pg_catalog.?|) b;
END
$$;
CREATE OPERATOR sandbox_functions.?| (LEFTARG = jsonb, RIGHTARG = text[], FUNCTION = sandbox_functions.jsonb_exists_any);

CREATE FUNCTION sandbox_functions.jsonb_exists_all(a jsonb, b text[]) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_column_size(a)::bigint * cardinality(b) / 8 > 20000000 THEN
        RAISE EXCEPTION '?&: the values are too long' USING ERRCODE = '54000';
    END IF;
    RETURN a OPERATOR(pg_catalog.?&) b;
END
$$;
CREATE OPERATOR sandbox_functions.?& (LEFTARG = jsonb, RIGHTARG = text[], FUNCTION = sandbox_functions.jsonb_exists_all);

CREATE FUNCTION sandbox_functions.jsonb_without(a jsonb, b text[]) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_column_size(a)::bigint * cardinality(b) / 8 > 20000000 THEN
        RAISE EXCEPTION '-: the values are too long' USING ERRCODE = '54000';
    END IF;
    RETURN a OPERATOR(pg_catalog.-) b;
END
$$;
CREATE OPERATOR sandbox_functions.- (LEFTARG = jsonb, RIGHTARG = text[], FUNCTION = sandbox_functions.jsonb_without);

GRANT EXECUTE ON FUNCTION
    sandbox_functions.array_contains(anyarray, anyarray),
    sandbox_functions.array_contained(anyarray, anyarray),
    sandbox_functions.array_overlaps(anyarray, anyarray),
    sandbox_functions.jsonb_contains(jsonb, jsonb),
    sandbox_functions.jsonb_contained(jsonb, jsonb),
    sandbox_functions.jsonb_exists_any(jsonb, text[]),
    sandbox_functions.jsonb_exists_all(jsonb, text[]),
    sandbox_functions.jsonb_without(jsonb, text[])
TO zava_sandbox;

-- Each character is looked for among all of the set.
CREATE FUNCTION sandbox_functions.btrim(string text, characters text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sandbox_functions.check_search('btrim', string, characters);
    RETURN pg_catalog.btrim(string, characters);
END
$$;

CREATE FUNCTION sandbox_functions.ltrim(string text, characters text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sandbox_functions.check_search('ltrim', string, characters);
    RETURN pg_catalog.ltrim(string, characters);
END
$$;

CREATE FUNCTION sandbox_functions.rtrim(string text, characters text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sandbox_functions.check_search('rtrim', string, characters);
    RETURN pg_catalog.rtrim(string, characters);
END
$$;

CREATE FUNCTION sandbox_functions.translate(string text, characters text, replacements text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sandbox_functions.check_search('translate', string, characters);
    RETURN pg_catalog.translate(string, characters, replacements);
END
$$;

-- Balancing a long query takes the square of its length.
CREATE FUNCTION sandbox_functions.to_tsquery(configuration regconfig, query text) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(query) > 10000 THEN
        RAISE EXCEPTION 'to_tsquery: the text must be at most 10,000 bytes' USING ERRCODE = '54000';
    END IF;
    RETURN pg_catalog.to_tsquery(configuration, query);
END
$$;

CREATE FUNCTION sandbox_functions.to_tsquery(query text) RETURNS tsquery
LANGUAGE sql STABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT sandbox_functions.to_tsquery(get_current_ts_config(), query) $$;

CREATE FUNCTION sandbox_functions.plainto_tsquery(configuration regconfig, query text) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(query) > 10000 THEN
        RAISE EXCEPTION 'plainto_tsquery: the text must be at most 10,000 bytes' USING ERRCODE = '54000';
    END IF;
    RETURN pg_catalog.plainto_tsquery(configuration, query);
END
$$;

CREATE FUNCTION sandbox_functions.plainto_tsquery(query text) RETURNS tsquery
LANGUAGE sql STABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT sandbox_functions.plainto_tsquery(get_current_ts_config(), query) $$;

CREATE FUNCTION sandbox_functions.phraseto_tsquery(configuration regconfig, query text) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(query) > 10000 THEN
        RAISE EXCEPTION 'phraseto_tsquery: the text must be at most 10,000 bytes' USING ERRCODE = '54000';
    END IF;
    RETURN pg_catalog.phraseto_tsquery(configuration, query);
END
$$;

CREATE FUNCTION sandbox_functions.phraseto_tsquery(query text) RETURNS tsquery
LANGUAGE sql STABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT sandbox_functions.phraseto_tsquery(get_current_ts_config(), query) $$;

CREATE FUNCTION sandbox_functions.websearch_to_tsquery(configuration regconfig, query text) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(query) > 10000 THEN
        RAISE EXCEPTION 'websearch_to_tsquery: the text must be at most 10,000 bytes' USING ERRCODE = '54000';
    END IF;
    RETURN pg_catalog.websearch_to_tsquery(configuration, query);
END
$$;

CREATE FUNCTION sandbox_functions.websearch_to_tsquery(query text) RETURNS tsquery
LANGUAGE sql STABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT sandbox_functions.websearch_to_tsquery(get_current_ts_config(), query) $$;

-- A pattern is tried anew at each character.
CREATE FUNCTION sandbox_functions.text_like(string text, pattern text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(string)::bigint * octet_length(pattern) > 20000000 THEN
        RAISE EXCEPTION 'LIKE: the texts are too long' USING ERRCODE = '54000';
    END IF;
    RETURN string OPERATOR(pg_catalog.~~) pattern;
END
$$;
CREATE OPERATOR sandbox_functions.~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = sandbox_functions.text_like);

CREATE FUNCTION sandbox_functions.text_not_like(string text, pattern text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(string)::bigint * octet_length(pattern) > 20000000 THEN
        RAISE EXCEPTION 'NOT LIKE: the texts are too long' USING ERRCODE = '54000';
    END IF;
    RETURN string OPERATOR(pg_catalog.!~~) pattern;
END
$$;
CREATE OPERATOR sandbox_functions.!~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = sandbox_functions.text_not_like);

CREATE FUNCTION sandbox_functions.text_ilike(string text, pattern text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(string)::bigint * octet_length(pattern) > 20000000 THEN
        RAISE EXCEPTION 'ILIKE: the texts are too long' USING ERRCODE = '54000';
    END IF;
    RETURN string OPERATOR(pg_catalog.~~*) pattern;
END
$$;
CREATE OPERATOR sandbox_functions.~~* (LEFTARG = text, RIGHTARG = text, FUNCTION = sandbox_functions.text_ilike);

CREATE FUNCTION sandbox_functions.text_not_ilike(string text, pattern text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(string)::bigint * octet_length(pattern) > 20000000 THEN
        RAISE EXCEPTION 'NOT ILIKE: the texts are too long' USING ERRCODE = '54000';
    END IF;
    RETURN string OPERATOR(pg_catalog.!~~*) pattern;
END
$$;
CREATE OPERATOR sandbox_functions.!~~* (LEFTARG = text, RIGHTARG = text, FUNCTION = sandbox_functions.text_not_ilike);

GRANT EXECUTE ON FUNCTION
    sandbox_functions.btrim(text, text),
    sandbox_functions.ltrim(text, text),
    sandbox_functions.rtrim(text, text),
    sandbox_functions.translate(text, text, text),
    sandbox_functions.to_tsquery(regconfig, text),
    sandbox_functions.to_tsquery(text),
    sandbox_functions.plainto_tsquery(regconfig, text),
    sandbox_functions.plainto_tsquery(text),
    sandbox_functions.phraseto_tsquery(regconfig, text),
    sandbox_functions.phraseto_tsquery(text),
    sandbox_functions.websearch_to_tsquery(regconfig, text),
    sandbox_functions.websearch_to_tsquery(text),
    sandbox_functions.text_like(text, text),
    sandbox_functions.text_not_like(text, text),
    sandbox_functions.text_ilike(text, text),
    sandbox_functions.text_not_ilike(text, text)
TO zava_sandbox;
