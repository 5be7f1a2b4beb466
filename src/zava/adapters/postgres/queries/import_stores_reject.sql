-- Which stores are there twice?
INSERT INTO retail.staged_stores_rejected (line, reason)
SELECT twin.line, format('name: %L stands on line %s too', twin.name, twin.other)
FROM (
    SELECT
        staged.line,
        staged.name,
        coalesce(
            lag(staged.line) OVER (PARTITION BY staged.name ORDER BY staged.line),
            lead(staged.line) OVER (PARTITION BY staged.name ORDER BY staged.line)
        ) AS other
    FROM retail.staged_stores AS staged
) AS twin
WHERE twin.other IS NOT NULL;
