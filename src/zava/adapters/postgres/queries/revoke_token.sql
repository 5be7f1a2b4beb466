-- Is this API token revoked from now on?
UPDATE access.tokens SET revoked_at = coalesce(revoked_at, now()) WHERE token_id = %(token_id)s
