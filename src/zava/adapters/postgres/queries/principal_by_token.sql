-- Whose API token has this hash?
SELECT
    principal_id,
    name,
    scopes
FROM access.principal_by_token(%(sha256)s)
