-- Which columns do they have, and which values may those take, where a constraint lists them?
-- The view customers is described by the table behind it wherever it is silent itself.
SELECT
    relation.relname::text AS table_name,
    attribute.attname::text AS name,
    format_type(attribute.atttypid, attribute.atttypmod) AS type,
    coalesce(described.attnotnull, attribute.attnotnull) AS required,
    coalesce(
        col_description(relation.oid, attribute.attnum),
        col_description(described.attrelid, described.attnum)
    ) AS comment,
    (
        SELECT array_agg(listed.value[1] ORDER BY listed.ordinality)
        FROM pg_catalog.pg_constraint AS check_constraint
        CROSS JOIN LATERAL regexp_matches(
            pg_get_constraintdef(check_constraint.oid), '''([^'']*)''::text', 'g'
        ) WITH ORDINALITY AS listed (value, ordinality)
        WHERE check_constraint.conrelid = relation.oid
            AND check_constraint.contype = 'c'
            AND check_constraint.conkey = ARRAY[attribute.attnum]
            AND pg_get_constraintdef(check_constraint.oid) LIKE '%%= ANY (ARRAY[%%'
    ) AS valid_values
FROM pg_catalog.pg_class AS relation
INNER JOIN pg_catalog.pg_attribute AS attribute
    ON relation.oid = attribute.attrelid AND attribute.attnum > 0 AND NOT attribute.attisdropped
LEFT JOIN pg_catalog.pg_attribute AS described
    ON relation.relname = 'customers'
    AND described.attrelid = 'retail.customer_records'::regclass
    AND described.attname = attribute.attname
WHERE relation.relnamespace = 'retail'::regnamespace
    AND relation.relkind IN ('r', 'p', 'v')
    AND has_any_column_privilege('zava_sandbox', relation.oid, 'SELECT')
ORDER BY relation.relname, attribute.attnum
