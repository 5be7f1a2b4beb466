-- Which API tokens were issued, and how do they stand?
SELECT
    token.token_id,
    known.subject,
    known.name AS principal,
    token.name,
    token.last_four,
    token.scopes,
    token.created_at,
    token.expires_at,
    CASE
        WHEN token.revoked_at IS NOT NULL THEN 'revoked'
        WHEN token.expires_at <= now() THEN 'expired'
        WHEN known.disabled THEN 'disabled'
        ELSE 'good'
    END AS state
FROM access.tokens AS token
INNER JOIN access.principals AS known ON token.principal_id = known.principal_id
ORDER BY token.token_id
