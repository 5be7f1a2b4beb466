-- Is this person disabled, or enabled, from now on?
UPDATE access.principals SET disabled = %(disabled)s WHERE subject = %(subject)s
