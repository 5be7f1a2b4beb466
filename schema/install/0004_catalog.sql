-- Takes PostgreSQL's own functions and catalogs away from everybody but Zava's trusted roles and the owner of the
-- database, so that free SQL starts with nothing. It needs a superuser; without one this step changes nothing and `zava doctor` says so.
-- An extension update grants again what it creates: run the install steps after one.
DO $$
DECLARE
    schema_name text;
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RAISE NOTICE 'catalog revokes need a superuser: left out';
        RETURN;
    END IF;
    FOREACH schema_name IN ARRAY ARRAY['pg_catalog', 'information_schema', 'public'] LOOP
        EXECUTE format(
            'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %I TO zava_owner, zava_access, zava_audit, zava_reader, zava_app, zava_writer, pg_database_owner',
            schema_name
        );
        EXECUTE format('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', schema_name);
        -- Some catalogs hold passwords or other people's statistics: only those open to everybody are granted.
        EXECUTE coalesce(
            (
                SELECT string_agg(format('GRANT SELECT ON %s TO zava_owner, zava_access, zava_audit, zava_reader, zava_app, zava_writer, pg_database_owner', c.oid::regclass), '; ')
                FROM pg_class AS c
                WHERE c.relnamespace = schema_name::regnamespace
                    AND c.relkind IN ('r', 'v')
                    AND EXISTS (
                        SELECT FROM aclexplode(c.relacl) AS a WHERE a.grantee = 0 AND a.privilege_type = 'SELECT'
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
