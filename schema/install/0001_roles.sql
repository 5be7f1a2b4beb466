-- The roles of Zava. Roles belong to the whole PostgreSQL server, so this step only ever adds what is missing.
-- Passwords are the administrator's: ALTER ROLE zava_app PASSWORD …, or \password zava_app in psql.
DO $$
DECLARE
    wanted text[];
BEGIN
    FOREACH wanted SLICE 1 IN ARRAY ARRAY[
        ['zava_owner',   'NOLOGIN'],             -- owns the schema retail; migrations and imports act as it
        ['zava_access',  'NOLOGIN'],             -- owns the schema access: keys, principals, the context
        ['zava_audit',   'NOLOGIN'],             -- owns the schema audit: who asked what
        ['zava_reader',  'NOLOGIN'],             -- governed SQL runs as it, under the policies
        ['zava_sandbox', 'NOLOGIN'],             -- what free SQL may read and call, and its three members inherit it
        ['zava_sandbox_one', 'NOLOGIN'],         -- free SQL of who sees one store runs as it; nobody is a member of it
        ['zava_sandbox_some', 'NOLOGIN'],        -- … some stores
        ['zava_sandbox_all', 'NOLOGIN'],         -- … all stores
        ['zava_functions', 'NOLOGIN'],           -- owns the bounded functions of free SQL, and may do nothing else
        ['zava_app',     'LOGIN NOINHERIT'],     -- the server's login: no right on any table
        ['zava_writer',  'LOGIN NOINHERIT']      -- the second login: audit and rollups, nothing else
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted[1]) THEN
            EXECUTE format('CREATE ROLE %I %s', wanted[1], wanted[2]);
        END IF;
    END LOOP;

    -- The server enters zava_reader for one transaction (SET LOCAL ROLE); it inherits nothing from it.
    IF NOT pg_has_role('zava_app', 'zava_reader', 'MEMBER') THEN
        IF current_setting('server_version_num')::integer >= 160000 THEN
            EXECUTE 'GRANT zava_reader TO zava_app WITH INHERIT FALSE, SET TRUE';  -- 15 could not parse it
        ELSE
            GRANT zava_reader TO zava_app;
        END IF;
    END IF;

    -- The rights are the same for all three, and the row policies differ.
    GRANT zava_sandbox TO zava_sandbox_one, zava_sandbox_some, zava_sandbox_all;
END
$$;
