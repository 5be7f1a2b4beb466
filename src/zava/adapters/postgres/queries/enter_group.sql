-- Is this group given exactly so much? It is now.
WITH entered AS (
    INSERT INTO access.group_roles (group_name, role, scopes)
    VALUES (%(name)s, %(role)s, %(scopes)s)
    ON CONFLICT (group_name) DO UPDATE SET role = excluded.role, scopes = excluded.scopes
    RETURNING group_name
),

wanted_stores AS (
    SELECT store_id FROM retail.stores WHERE name = ANY (%(stores)s)
),

lost_stores AS (
    DELETE FROM access.group_stores
    WHERE group_name IN (SELECT group_name FROM entered) AND store_id NOT IN (SELECT store_id FROM wanted_stores)
)

INSERT INTO access.group_stores (group_name, store_id)
SELECT
    entered.group_name,
    wanted_stores.store_id
FROM entered
CROSS JOIN wanted_stores
ON CONFLICT DO NOTHING
