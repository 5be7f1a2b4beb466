-- Values that nobody needs may not cost what everybody shares: a message of a gigabyte, a power of a hundred thousand digits.
-- oldest-server: 0.1.0

SET LOCAL ROLE zava_owner;

-- Which of the three suits this transaction's context? Whoever forged it gains nothing: the policies look closer.
--
-- Errors repeat the value that they are about, at any length, and the server's copy of one is memory that everybody
-- shares. So a long one is cut short here.
CREATE OR REPLACE FUNCTION sandbox.run(query text, most_rows integer, most_bytes integer) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    RETURN CASE
        WHEN split_part(current_setting('zava.context', true), '|', 2) = 'head_office'
            THEN sandbox.run_for_all(query, most_rows, most_bytes)
        WHEN split_part(current_setting('zava.context', true), '|', 3) LIKE '{%,%}'
            THEN sandbox.run_for_some(query, most_rows, most_bytes)
        ELSE sandbox.run_for_one(query, most_rows, most_bytes)
    END;
EXCEPTION
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        IF octet_length(SQLERRM) + octet_length(detail) <= 10000 THEN
            RAISE;  -- as it was, with its position
        END IF;
        RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = left(SQLERRM, 1000), HINT = left(hint, 1000);
END
$$;

-- Free SQL finds these first, and may not use PostgreSQL's own: each of some twenty multiplications of a whole power is
-- as long as its result, and no timeout interrupts them.
SET LOCAL ROLE zava_functions;

CREATE FUNCTION sandbox_functions.power(base numeric, exponent numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF abs(exponent) > 10000 OR pg_column_size(base) > 1000 THEN
        RAISE EXCEPTION 'power: the exponent must be at most 10,000 and the base have at most 1,900 digits' USING ERRCODE = '54000';
    END IF;
    RETURN pg_catalog.power(base, exponent);
END
$$;
CREATE OPERATOR sandbox_functions.^ (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = sandbox_functions.power);

CREATE FUNCTION sandbox_functions.pow(base numeric, exponent numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
RETURN sandbox_functions.power(base, exponent);

GRANT EXECUTE ON FUNCTION sandbox_functions.power(numeric, numeric), sandbox_functions.pow(numeric, numeric) TO zava_sandbox;
