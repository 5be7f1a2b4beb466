-- Which layers between free SQL and everything else are not in force here? Each row names a layer and what is amiss with
-- it; no row is good news. %(functions)s are the names of functions that free SQL may call.
WITH
-- Each inherits what zava_sandbox may do.
boxed AS (
    SELECT
        oid,
        rolname
    FROM pg_catalog.pg_roles
    WHERE rolname IN ('zava_sandbox_one', 'zava_sandbox_some', 'zava_sandbox_all')
),

runners AS (
    SELECT to_regprocedure('sandbox.run_for_' || shape || '(text, integer, integer)')::oid AS oid
    FROM unnest(ARRAY['one', 'some', 'all']) AS shape
),

planners AS (
    SELECT to_regprocedure('sandbox.explain_for_' || shape || '(text, integer)')::oid AS oid
    FROM unnest(ARRAY['one', 'some', 'all']) AS shape
),

signing AS (
    SELECT role.rolname
    FROM pg_catalog.pg_roles AS role
    WHERE (role.rolname IN ('zava_reader', 'zava_functions', session_user) OR role.oid IN (SELECT oid FROM boxed))
        AND (
            has_any_column_privilege(role.oid, 'access.keys', 'SELECT, INSERT, UPDATE')
            OR EXISTS (
                SELECT FROM pg_catalog.pg_proc AS f
                WHERE f.pronamespace = 'access'::regnamespace
                    AND f.proname IN ('sign', 'new_key')
                    AND has_function_privilege(role.oid, f.oid, 'EXECUTE')
            )
        )
),

relations AS (
    SELECT
        oid,
        relkind,
        relnamespace
    FROM pg_catalog.pg_class
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
        AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
        AND has_schema_privilege('zava_sandbox', relnamespace, 'USAGE')
),

callable AS (
    SELECT
        oid,
        proname,
        proargtypes
    FROM pg_catalog.pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace AND has_function_privilege('zava_sandbox', oid, 'EXECUTE')
),

bounded_operators AS (
    SELECT
        original.oprcode
    FROM pg_catalog.pg_operator AS bounded
    INNER JOIN pg_catalog.pg_operator AS original
        ON bounded.oprname = original.oprname
        AND bounded.oprleft = original.oprleft
        AND bounded.oprright = original.oprright
    WHERE bounded.oprnamespace = 'sandbox_functions'::regnamespace AND original.oprnamespace = 'pg_catalog'::regnamespace
)

SELECT 'context' AS layer, rolname || ' can sign who asks' AS amiss
FROM signing
UNION ALL
SELECT 'role', rolname || ' can log in, or has a right over the whole server'
FROM pg_catalog.pg_roles
WHERE (rolname = 'zava_sandbox' OR oid IN (SELECT oid FROM boxed))
    AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)
UNION ALL
SELECT 'role', member::regrole || ' is a member of ' || roleid::regrole
FROM pg_catalog.pg_auth_members
WHERE member = 'zava_sandbox'::regrole
    OR (member IN (SELECT oid FROM boxed) AND roleid <> 'zava_sandbox'::regrole)
UNION ALL
SELECT 'role', rolname || ' may create something in this database'
FROM boxed
WHERE has_database_privilege(boxed.oid, current_database(), 'CREATE, TEMPORARY')
    OR EXISTS (
        SELECT FROM pg_catalog.pg_namespace AS place WHERE has_schema_privilege(boxed.oid, place.oid, 'CREATE')
    )
UNION ALL
SELECT 'role', refobjid::regrole || ' owns ' || pg_describe_object(classid, objid, objsubid)
FROM pg_catalog.pg_shdepend
WHERE (refobjid = 'zava_sandbox'::regrole OR refobjid IN (SELECT oid FROM boxed))
    AND deptype = 'o'
    AND classid <> 'pg_default_acl'::regclass
    AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    AND (
        classid <> 'pg_proc'::regclass
        OR objid NOT IN (SELECT oid FROM runners UNION ALL SELECT oid FROM planners WHERE oid IS NOT NULL)
    )
UNION ALL
SELECT 'role', rolname || ' may write ' || relations.oid::regclass
FROM relations
CROSS JOIN boxed
WHERE has_table_privilege(boxed.oid, relations.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
    OR has_any_column_privilege(boxed.oid, relations.oid, 'INSERT, UPDATE, REFERENCES')
UNION ALL
SELECT 'role', rolname || ' may read ' || relations.oid::regclass
FROM relations
CROSS JOIN boxed
WHERE relnamespace <> 'retail'::regnamespace AND has_any_column_privilege(boxed.oid, relations.oid, 'SELECT')
UNION ALL
SELECT 'role', rolname || ' may read system columns of ' || relations.oid::regclass
FROM relations
CROSS JOIN boxed
WHERE relkind <> 'v'
    AND has_table_privilege(boxed.oid, relations.oid, 'SELECT')
    AND EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = relations.oid AND attname = 'store_id')
UNION ALL
SELECT 'role', rolname || ' may call ' || f.oid::regprocedure
FROM pg_catalog.pg_proc AS f
CROSS JOIN boxed
WHERE f.pronamespace IN ('access'::regnamespace, 'retail'::regnamespace, 'sandbox'::regnamespace)
    AND has_function_privilege(boxed.oid, f.oid, 'EXECUTE')
    AND f.oid::regprocedure::text NOT IN (
        'access.my_store()', 'access.my_stores()', 'access.sees_all_stores()', 'access.has_grant(text)',
        'retail.search_products_by_description(vector,double precision,integer)'
    )
UNION ALL
SELECT 'role', 'no runner of free SQL runs as ' || rolname || ' and cannot write'
FROM boxed
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_proc
    WHERE oid IN (SELECT oid FROM runners)
        AND proowner = boxed.oid
        AND prosecdef
        AND provolatile = 's'
)
UNION ALL
SELECT 'functions', count(*) || ' of PostgreSQL''s functions can be called that are not on the list'
FROM callable
WHERE proname <> ALL (%(functions)s)
    AND oid NOT IN (SELECT oprcode FROM pg_catalog.pg_operator)
    AND oid NOT IN (SELECT castfunc FROM pg_catalog.pg_cast)
    -- What a cast of a constant calls.
    AND oid NOT IN (SELECT typinput FROM pg_catalog.pg_type UNION ALL SELECT typoutput FROM pg_catalog.pg_type)
HAVING count(*) > 0
UNION ALL
SELECT 'bounds', count(*) || ' of PostgreSQL''s functions can be called without their bound'
FROM callable
WHERE proname NOT IN ('btrim', 'ltrim', 'rtrim')  -- TRIM, a word of the grammar, needs them: the guard bounds it
    AND (
        oid IN (SELECT oprcode FROM bounded_operators)
        OR EXISTS (
            SELECT FROM pg_catalog.pg_proc AS bounded
            WHERE bounded.pronamespace = 'sandbox_functions'::regnamespace
                AND bounded.proname = callable.proname
                AND bounded.proargtypes = callable.proargtypes
        )
    )
HAVING count(*) > 0
UNION ALL
SELECT 'days', count(*) || ' comparisons of days with moments are not leakproof'
FROM pg_catalog.pg_proc
WHERE NOT proleakproof
    AND oid IN (
        SELECT oprcode
        FROM pg_catalog.pg_operator
        WHERE oprnamespace = 'pg_catalog'::regnamespace
            AND oprname IN ('<', '<=', '=', '<>', '>=', '>')
            AND oprleft IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
            AND oprright IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
    )
HAVING count(*) > 0
UNION ALL
SELECT layer, name || ' = ' || current_setting(name)
FROM (
    VALUES
    ('log', 'log_min_messages', '{fatal,panic}'::text[]),
    ('log', 'log_parameter_max_length', '{0}'),
    ('log', 'log_parameter_max_length_on_error', '{0}')
) AS wanted (layer, name, "values")
WHERE current_setting(name) <> ALL ("values")
UNION ALL
SELECT layer, name || ' = ' || current_setting(name)
FROM (
    VALUES
    ('files', 'temp_file_limit', '-1'),
    ('leaving', 'client_connection_check_interval', '0'),
    ('time', 'statement_timeout', '0'),
    ('time', 'idle_in_transaction_session_timeout', '0')
) AS unlimited (layer, name, "value")
WHERE current_setting(name) = "value"
