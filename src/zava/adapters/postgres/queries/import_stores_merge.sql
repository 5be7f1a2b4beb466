-- Which stores are there, by their names?
WITH changed AS (
    UPDATE retail.stores AS known
    SET
        location = coalesce(staged.location, known.location),
        region = staged.region,
        is_online = coalesce(staged.is_online, known.is_online),
        opened_on = staged.opened_on
    FROM retail.staged_stores AS staged
    WHERE known.name = staged.name
        AND (
            coalesce(staged.location, known.location), staged.region, coalesce(staged.is_online, known.is_online),
            staged.opened_on
        ) IS DISTINCT FROM (known.location, known.region, known.is_online, known.opened_on)
    RETURNING 1
)

SELECT 'changed', count(*) FROM changed;

WITH added AS (
    INSERT INTO retail.stores (name, location, region, is_online, opened_on)
    SELECT
        staged.name, coalesce(staged.location, ''), staged.region, coalesce(staged.is_online, false), staged.opened_on
    FROM retail.staged_stores AS staged
    WHERE NOT EXISTS (SELECT FROM retail.stores AS known WHERE known.name = staged.name)
    RETURNING 1
)

SELECT 'new', count(*) FROM added;
