-- Whom does the identity provider call so?
SELECT
    principal_id,
    name,
    scopes
FROM access.principal_by_subject(%(subject)s)
