-- Whom does the identity provider call so?
SELECT
    principal_id,
    name,
    scopes,
    groups
FROM access.principal_by_subject(%(subject)s, %(groups)s)
