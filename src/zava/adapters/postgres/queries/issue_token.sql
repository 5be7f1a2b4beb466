-- Which number has this new API token?
INSERT INTO access.tokens (principal_id, name, sha256, last_four, scopes, expires_at)
SELECT
    principal_id,
    %(name)s,
    %(sha256)s,
    %(last_four)s,
    %(scopes)s,
    %(expires_at)s
FROM access.principals
WHERE subject = %(subject)s
RETURNING token_id
