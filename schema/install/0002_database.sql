-- What Zava needs of its database, which is its own: schemas, who may enter, and the limits of the logins.
REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE SCHEMA IF NOT EXISTS retail AUTHORIZATION zava_owner;
CREATE SCHEMA IF NOT EXISTS access AUTHORIZATION zava_access;
CREATE SCHEMA IF NOT EXISTS audit AUTHORIZATION zava_audit;
CREATE SCHEMA IF NOT EXISTS sandbox AUTHORIZATION zava_owner;
CREATE SCHEMA IF NOT EXISTS sandbox_functions AUTHORIZATION zava_functions;

-- A new function is executable by everybody, and that has made a signing oracle of a helper before. Never again.
ALTER DEFAULT PRIVILEGES FOR ROLE
    zava_owner, zava_access, zava_audit, zava_reader, zava_sandbox, zava_sandbox_one, zava_sandbox_some, zava_sandbox_all,
    zava_functions
REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

GRANT USAGE ON SCHEMA retail TO zava_access, zava_reader, zava_sandbox, zava_app;
SET ROLE zava_access;
GRANT USAGE ON SCHEMA access TO zava_owner, zava_audit, zava_reader, zava_sandbox, zava_app;
SET ROLE zava_audit;
GRANT USAGE ON SCHEMA audit TO zava_reader, zava_writer;
SET ROLE zava_owner;
GRANT USAGE ON SCHEMA sandbox TO zava_app;
SET ROLE zava_functions;
GRANT USAGE ON SCHEMA sandbox_functions TO zava_sandbox, zava_app;
RESET ROLE;

DO $$
DECLARE
    database text := current_database();
    setting text[];
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', database);
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO zava_app, zava_writer', database);

    -- Ceilings. A call sets its own, lower limits; a database-wide setting leaves other databases of the server alone.
    FOREACH setting SLICE 1 IN ARRAY ARRAY[
        ['zava_app', 'default_transaction_read_only', 'on'],
        ['zava_app', 'statement_timeout', '30s'],
        ['zava_app', 'lock_timeout', '2s'],
        ['zava_app', 'idle_in_transaction_session_timeout', '60s'],
        ['zava_app', 'work_mem', '4MB'],
        ['zava_app', 'jit', 'off'],
        -- A server that dies in the middle of a question leaves nobody to cancel it.
        ['zava_app', 'client_connection_check_interval', '250ms'],
        ['zava_writer', 'statement_timeout', '30s'],
        ['zava_writer', 'lock_timeout', '5s'],
        ['zava_writer', 'idle_in_transaction_session_timeout', '60s']
    ] LOOP
        EXECUTE format('ALTER ROLE %I IN DATABASE %I SET %s = %L', setting[1], database, setting[2], setting[3]);
    END LOOP;
END
$$;

-- Only a superuser may set these. Tokens travel as parameters, which must not reach a log; and a sort must not fill
-- the disk.
DO $$
DECLARE
    setting text[];
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        FOREACH setting SLICE 1 IN ARRAY ARRAY[
            ['log_parameter_max_length', '0'],
            ['log_parameter_max_length_on_error', '0'],
            ['temp_file_limit', '1GB'],
            -- The text of an error may hold a value of the caller's rows, and callers make errors at will.
            ['log_min_messages', 'fatal']
        ] LOOP
            EXECUTE format('ALTER ROLE zava_app IN DATABASE %I SET %s = %L', current_database(), setting[1], setting[2]);
        END LOOP;
        -- What callers wrote travels to the audit trail as a parameter, too.
        FOREACH setting SLICE 1 IN ARRAY ARRAY[
            ['log_parameter_max_length', '0'], ['log_parameter_max_length_on_error', '0']
        ] LOOP
            EXECUTE format('ALTER ROLE zava_writer IN DATABASE %I SET %s = %L', current_database(), setting[1], setting[2]);
        END LOOP;
    END IF;
END
$$;

-- Which step has been applied, from which text, and the oldest server that can live with it.
SET ROLE zava_access;
CREATE TABLE IF NOT EXISTS access.migrations (
    series text NOT NULL CHECK (series IN ('install', 'migrations', 'vector')),
    version integer NOT NULL CHECK (version > 0),
    name text NOT NULL,
    sha256 text NOT NULL,
    oldest_server text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (series, version)
);
-- The owner of the database may look it up, without being any of Zava's roles.
GRANT USAGE ON SCHEMA access TO pg_database_owner;
GRANT SELECT ON access.migrations TO pg_database_owner;
RESET ROLE;
