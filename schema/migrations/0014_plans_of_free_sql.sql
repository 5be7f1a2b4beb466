-- An operator's log gets the plan of free SQL that was slow. Nobody who asks can have one.
-- oldest-server: 0.1.0
--
-- Estimates tell of rows that their reader may not see, so a plan is made apart from the answer and goes to the log
-- alone. Free SQL can neither call these functions nor reach their schema.
SET LOCAL ROLE zava_owner;

-- How PostgreSQL would find the rows of a query as the caller of this transaction's context sees them: the text of
-- EXPLAIN, which reads no row. Planning computes what a query says of constants alone, so the caller sets a short limit.
--
-- VOLATILE, since PostgreSQL takes EXPLAIN for no query that only reads; the transaction is read only all the same. The
-- text becomes a sub-select of one EXPLAIN, and a cursor admits one statement, so PostgreSQL's own grammar admits one
-- SELECT and nothing else. It is planned as the role that the runner runs as, with the same limit and as little in
-- parallel.
DO $do$
DECLARE
    shape text;
BEGIN
    FOREACH shape IN ARRAY ARRAY['one', 'some', 'all'] LOOP
        EXECUTE format($format$
CREATE FUNCTION sandbox.explain_for_%1$s(query text, most_rows integer) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = sandbox_functions, pg_catalog, retail, public, pg_temp
SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
    line text;
    plan text := '';
BEGIN
    IF octet_length(query) > 20000 THEN
        RAISE EXCEPTION 'the query is longer than 20,000 bytes' USING ERRCODE = '54000';
    END IF;
    FOR line IN
        EXECUTE 'EXPLAIN SELECT * FROM (' || query || E'\n) AS q LIMIT ' || (most_rows + 1)
    LOOP
        plan := plan || line || E'\n';
    END LOOP;
    RETURN plan;
END
$$;
-- As of the runner: not even its owner may call it.
REVOKE ALL ON FUNCTION sandbox.explain_for_%1$s(text, integer) FROM zava_owner;
GRANT EXECUTE ON FUNCTION sandbox.explain_for_%1$s(text, integer) TO zava_app;
GRANT CREATE ON SCHEMA sandbox TO zava_sandbox_%1$s;
$format$, shape);
    END LOOP;
END
$do$;

-- A role of the sandbox may not use plpgsql. The administrator hands the functions over.
RESET ROLE;
ALTER FUNCTION sandbox.explain_for_one(text, integer) OWNER TO zava_sandbox_one;
ALTER FUNCTION sandbox.explain_for_some(text, integer) OWNER TO zava_sandbox_some;
ALTER FUNCTION sandbox.explain_for_all(text, integer) OWNER TO zava_sandbox_all;
SET LOCAL ROLE zava_owner;
REVOKE CREATE ON SCHEMA sandbox FROM zava_sandbox_one, zava_sandbox_some, zava_sandbox_all;

-- Which of the three suits this transaction's context? As sandbox.run() chooses.
CREATE FUNCTION sandbox.explain(query text, most_rows integer) RETURNS text
LANGUAGE sql VOLATILE
RETURN CASE
    WHEN split_part(current_setting('zava.context', true), '|', 2) = 'head_office'
        THEN sandbox.explain_for_all(query, most_rows)
    WHEN split_part(current_setting('zava.context', true), '|', 3) LIKE '{%,%}'
        THEN sandbox.explain_for_some(query, most_rows)
    ELSE sandbox.explain_for_one(query, most_rows)
END;
GRANT EXECUTE ON FUNCTION sandbox.explain(text, integer) TO zava_app;
