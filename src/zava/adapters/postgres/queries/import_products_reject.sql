-- Which products are there twice?
INSERT INTO retail.staged_products_rejected (line, reason)
SELECT twin.line, format('sku: %L stands on line %s too', twin.sku, twin.other)
FROM (
    SELECT
        staged.line,
        staged.sku,
        coalesce(
            lag(staged.line) OVER (PARTITION BY staged.sku ORDER BY staged.line),
            lead(staged.line) OVER (PARTITION BY staged.sku ORDER BY staged.line)
        ) AS other
    FROM retail.staged_products AS staged
) AS twin
WHERE twin.other IS NOT NULL;
