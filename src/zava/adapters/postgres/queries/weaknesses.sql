-- Is there any way past row security for the server's login? Each row is a sentence; no row is good news.
WITH store_tables AS (
    SELECT
        relation.oid,
        relation.relname,
        relation.relrowsecurity,
        relation.relforcerowsecurity
    FROM pg_catalog.pg_class AS relation
    WHERE relation.relnamespace = 'retail'::regnamespace
        AND relation.relkind IN ('r', 'p')
        AND EXISTS (
            SELECT FROM pg_catalog.pg_attribute AS attribute
            WHERE attribute.attrelid = relation.oid AND attribute.attname = 'store_id' AND NOT attribute.attisdropped
        )
),

free_sql AS (
    SELECT role.oid
    FROM pg_catalog.pg_roles AS role
    WHERE role.rolname IN ('zava_sandbox', 'zava_sandbox_one', 'zava_sandbox_some', 'zava_sandbox_all')
),

answering AS (
    SELECT
        role.oid,
        role.rolname,
        role.rolsuper,
        role.rolbypassrls
    FROM pg_catalog.pg_roles AS role
    WHERE role.rolname IN ('zava_reader', 'zava_access', session_user) OR role.oid IN (SELECT oid FROM free_sql)
)

SELECT 'the role ' || rolname || ' is a superuser' AS weakness FROM answering WHERE rolsuper
UNION ALL
SELECT 'the role ' || rolname || ' has BYPASSRLS' FROM answering WHERE rolbypassrls
UNION ALL
SELECT 'the login ' || session_user || ' is a member of ' || owner.rolname
FROM pg_catalog.pg_roles AS owner
WHERE (owner.rolname IN ('zava_owner', 'zava_access') OR owner.oid IN (SELECT oid FROM free_sql))
    AND pg_has_role(session_user, owner.oid, 'MEMBER')
UNION ALL
SELECT 'the login ' || session_user || ' has rights of its own on retail.' || relation.relname
FROM pg_catalog.pg_class AS relation
WHERE relation.relnamespace = 'retail'::regnamespace
    AND relation.relkind IN ('r', 'p', 'v')
    AND has_table_privilege(session_user, relation.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
UNION ALL
SELECT 'row security is not forced on retail.' || relname
FROM store_tables
WHERE NOT (relrowsecurity AND relforcerowsecurity)
UNION ALL
SELECT 'retail.' || store_tables.relname || ' has an unexpected policy ' || policy.polname
FROM store_tables
INNER JOIN pg_catalog.pg_policy AS policy ON store_tables.oid = policy.polrelid
WHERE
    NOT (
        policy.polroles = ARRAY['zava_owner'::regrole::oid]
        OR (store_tables.relname = 'stores' AND policy.polroles = ARRAY['zava_access'::regrole::oid])
        -- Three words, and no number: what one store may know of another.
        OR (
            store_tables.relname = 'product_availability'
            AND policy.polcmd = 'r' AND policy.polroles = ARRAY['zava_reader'::regrole::oid]
        )
        OR (
            policy.polcmd = 'r'
            AND pg_get_expr(policy.polqual, policy.polrelid) IN (
                '(store_id = ANY (( SELECT access.my_stores() AS my_stores)::uuid[]))',
                -- Citus takes no sub-select.
                '(store_id = ANY (access.my_stores()))',
                '(store_id = ( SELECT access.my_store() AS my_store))',
                '(( SELECT NULLIF(access.sees_all_stores(), false) AS "nullif") IS NOT NULL)'
            )
        )
    )
UNION ALL
SELECT 'retail.' || store_tables.relname || ' has a policy that lets questions write'
FROM store_tables
INNER JOIN pg_catalog.pg_policy AS policy ON store_tables.oid = policy.polrelid
WHERE policy.polcmd <> 'r' AND policy.polroles <> ARRAY['zava_owner'::regrole::oid]
UNION ALL
SELECT role.rolname || ' may read retail.customer_records unmasked'
FROM pg_catalog.pg_roles AS role
WHERE (role.rolname = 'zava_reader' OR role.oid IN (SELECT oid FROM free_sql))
    AND has_table_privilege(role.oid, 'retail.customer_records', 'SELECT')
UNION ALL
SELECT 'the view retail.customers may not mask: it is not a security barrier of zava_access'
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_class AS masked
    WHERE masked.oid = to_regclass('retail.customers')
        AND masked.relowner = 'zava_access'::regrole
        AND 'security_barrier=true' = ANY (masked.reloptions)
)
