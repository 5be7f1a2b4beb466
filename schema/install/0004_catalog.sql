-- Takes PostgreSQL's own functions and catalogs away from everybody but Zava's trusted roles and the owner of the
-- database, so that free SQL starts with nothing. What PostgreSQL opens to nobody, such as its files, stays closed to
-- these, too. It needs a superuser; without one this step changes nothing and `zava doctor` says so.
-- An extension update grants again what it creates: run the install steps after one.
DO $$
DECLARE
    trusted CONSTANT text := 'zava_owner, zava_access, zava_audit, zava_reader, zava_app, zava_writer, pg_database_owner';
    schema_name text;
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RAISE NOTICE 'catalog revokes need a superuser: left out';
        RETURN;
    END IF;
    FOREACH schema_name IN ARRAY ARRAY['pg_catalog', 'information_schema', 'public'] LOOP
        EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %I TO %s', schema_name, trusted);
        EXECUTE format('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', schema_name);
        -- Some read and write the server's files, or stop it: PostgreSQL, or their extension, was made without PUBLIC's
        -- right to them.
        EXECUTE coalesce(
            (
                SELECT string_agg(format('REVOKE EXECUTE ON ROUTINE %s FROM %s', f.oid::regprocedure, trusted), '; ')
                FROM pg_proc AS f
                JOIN pg_init_privs AS made ON made.objoid = f.oid AND made.classoid = 'pg_proc'::regclass
                WHERE f.pronamespace = schema_name::regnamespace
                    AND NOT EXISTS (SELECT FROM aclexplode(made.initprivs) AS a WHERE a.grantee = 0)
            ),
            'SELECT 1'
        );
        -- Some catalogs hold passwords or other people's statistics: only those open to everybody are granted.
        EXECUTE coalesce(
            (
                SELECT string_agg(format('GRANT SELECT ON %s TO %s', c.oid::regclass, trusted), '; ')
                FROM pg_class AS c
                WHERE c.relnamespace = schema_name::regnamespace
                    AND c.relkind IN ('r', 'v')
                    AND EXISTS (
                        -- The reader has what this step has closed to everybody before.
                        SELECT FROM aclexplode(c.relacl) AS a
                        WHERE a.grantee IN (0, 'zava_reader'::regrole) AND a.privilege_type = 'SELECT'
                    )
            ),
            'SELECT 1'
        );
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM PUBLIC', schema_name);
    END LOOP;
    REVOKE USAGE ON LANGUAGE plpgsql, sql FROM PUBLIC;
    REVOKE USAGE ON LANGUAGE plpgsql, sql FROM zava_sandbox;
    GRANT USAGE ON LANGUAGE plpgsql, sql TO zava_owner, zava_access, zava_audit, zava_functions, pg_database_owner;
END
$$;
