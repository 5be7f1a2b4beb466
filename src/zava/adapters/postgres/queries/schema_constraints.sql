-- What identifies a row, and which rows of other tables does it name? A key names no table.
SELECT
    shown.name AS table_name,
    ARRAY(
        SELECT attribute.attname::text
        FROM unnest(rule.conkey) WITH ORDINALITY AS part (number, place)
        INNER JOIN pg_catalog.pg_attribute AS attribute
            ON attribute.attrelid = rule.conrelid AND attribute.attnum = part.number
        ORDER BY part.place
    ) AS columns,
    CASE WHEN rule.contype = 'f' THEN replace(referenced.relname, 'customer_records', 'customers') END AS referenced_table,
    ARRAY(
        SELECT attribute.attname::text
        FROM unnest(rule.confkey) WITH ORDINALITY AS part (number, place)
        INNER JOIN pg_catalog.pg_attribute AS attribute
            ON attribute.attrelid = rule.confrelid AND attribute.attnum = part.number
        ORDER BY part.place
    ) AS referenced_columns
FROM pg_catalog.pg_constraint AS rule
INNER JOIN pg_catalog.pg_class AS relation ON rule.conrelid = relation.oid
LEFT JOIN pg_catalog.pg_class AS referenced ON rule.confrelid = referenced.oid
-- Customers are shown through their view.
CROSS JOIN LATERAL (SELECT replace(relation.relname, 'customer_records', 'customers') AS name) AS shown
WHERE relation.relnamespace = 'retail'::regnamespace
    AND rule.contype IN ('p', 'u', 'f')
    AND has_any_column_privilege('zava_sandbox', to_regclass('retail.' || quote_ident(shown.name)), 'SELECT')
ORDER BY shown.name, rule.contype = 'p' DESC, rule.conname
