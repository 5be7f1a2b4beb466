-- Who is entered, and how do they stand?
SELECT
    known.subject,
    known.name,
    known.role,
    ARRAY(
        SELECT store.name
        FROM access.principal_stores AS seen
        INNER JOIN retail.stores AS store ON seen.store_id = store.store_id
        WHERE seen.principal_id = known.principal_id
    ) AS stores,
    ARRAY(
        SELECT held.grant_name FROM access.principal_grants AS held WHERE held.principal_id = known.principal_id
    ) AS grants,
    known.scopes,
    known.disabled,
    (
        SELECT count(*)
        FROM access.tokens AS token
        WHERE token.principal_id = known.principal_id AND token.revoked_at IS NULL AND token.expires_at > now()
    ) AS tokens
FROM access.principals AS known
ORDER BY known.name, known.subject
