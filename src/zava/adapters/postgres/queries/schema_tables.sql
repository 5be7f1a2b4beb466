-- Which tables and views may questions use?
-- A comment may end with a line "Hint: …" for those who write queries.
SELECT
    relation.relname::text AS name,
    split_part(obj_description(relation.oid, 'pg_class'), E'\nHint: ', 1) AS comment,
    nullif(split_part(obj_description(relation.oid, 'pg_class'), E'\nHint: ', 2), '') AS query_hint
FROM pg_catalog.pg_class AS relation
WHERE relation.relnamespace = 'retail'::regnamespace
    AND relation.relkind IN ('r', 'p', 'v')
    AND has_any_column_privilege('zava_sandbox', relation.oid, 'SELECT')
ORDER BY relation.relname
