-- Is this person entered exactly so? They are now; whether they are disabled stays as it is.
WITH entered AS (
    INSERT INTO access.principals (subject, name, role, scopes)
    VALUES (%(subject)s, %(name)s, %(role)s, %(scopes)s)
    ON CONFLICT (subject) DO UPDATE
    SET name = excluded.name, role = excluded.role, scopes = excluded.scopes
    RETURNING principal_id
),

wanted_stores AS (
    SELECT store_id FROM retail.stores WHERE name = ANY (%(stores)s)
),

lost_stores AS (
    DELETE FROM access.principal_stores
    WHERE principal_id IN (SELECT principal_id FROM entered) AND store_id NOT IN (SELECT store_id FROM wanted_stores)
),

lost_grants AS (
    DELETE FROM access.principal_grants
    WHERE principal_id IN (SELECT principal_id FROM entered) AND grant_name <> ALL (%(grants)s)
),

new_grants AS (
    INSERT INTO access.principal_grants (principal_id, grant_name)
    SELECT
        entered.principal_id,
        wanted.grant_name
    FROM entered
    CROSS JOIN unnest(%(grants)s::text[]) AS wanted (grant_name)
    ON CONFLICT DO NOTHING
)

INSERT INTO access.principal_stores (principal_id, store_id)
SELECT
    entered.principal_id,
    wanted_stores.store_id
FROM entered
CROSS JOIN wanted_stores
ON CONFLICT DO NOTHING
