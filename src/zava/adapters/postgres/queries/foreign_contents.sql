-- What does somebody keep in this database, beside what PostgreSQL and its extensions do? Zava's own is not looked for.
WITH extended AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
)

SELECT 'the schema ' || quote_ident(nspname) AS found
FROM pg_namespace
WHERE nspname !~ '^pg_'
    AND nspname NOT IN ('information_schema', 'public')
    AND (oid, 'pg_namespace'::regclass) NOT IN (SELECT objid, classid FROM extended)
UNION ALL
-- Tables, views, sequences and what else has a name among them; not indexes, which come with tables.
SELECT 'public.' || quote_ident(relname)
FROM pg_class
WHERE relnamespace = to_regnamespace('public')
    AND relkind NOT IN ('i', 'I', 't')
    AND (oid, 'pg_class'::regclass) NOT IN (SELECT objid, classid FROM extended)
UNION ALL
SELECT 'the function public.' || quote_ident(proname)
FROM pg_proc
WHERE pronamespace = to_regnamespace('public')
    AND (oid, 'pg_proc'::regclass) NOT IN (SELECT objid, classid FROM extended)
ORDER BY found
