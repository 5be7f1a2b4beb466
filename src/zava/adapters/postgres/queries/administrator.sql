-- What is this database, and what may who asks do in it and with the roles of Zava?
SELECT
    current_setting('server_version_num')::integer / 10000 AS version,
    pg_encoding_to_char(this.encoding) AS encoding,
    this.datname AS database,
    asking.rolname AS administrator,
    asking.rolsuper AS superuser,
    asking.rolcreaterole AS creates_roles,
    pg_has_role(this.datdba, 'USAGE') AS owns_database,
    ARRAY(
        SELECT known.rolname::text FROM pg_roles AS known WHERE known.rolname = ANY (%(roles)s) ORDER BY known.rolname
    ) AS roles,
    -- Up to PostgreSQL 15 CREATEROLE is enough for all of them.
    ARRAY(
        SELECT known.rolname::text
        FROM pg_roles AS known
        WHERE known.rolname = ANY (%(roles)s) AND NOT pg_has_role(known.oid, 'MEMBER WITH ADMIN OPTION')
        ORDER BY known.rolname
    ) AS roles_of_others
FROM pg_database AS this
CROSS JOIN pg_roles AS asking
WHERE this.datname = current_database() AND asking.rolname = current_user
