-- What do these stores mean to turn over in the months of the period? Null unless the period is whole months and
-- every store has a target for each of them.
SELECT
    CASE
        WHEN count(*) = cardinality(%(stores)s::uuid[]) * count(DISTINCT month)
            AND min(month) = %(first_day)s::date
            AND max(month) + interval '1 month' = %(ends_on)s::date + interval '1 day'
            AND count(DISTINCT month)
            = (extract(year FROM age(%(ends_on)s::date + 1, %(first_day)s::date)) * 12
                + extract(month FROM age(%(ends_on)s::date + 1, %(first_day)s::date)))
            THEN sum(revenue_target)
    END AS revenue_target
FROM retail.store_targets
WHERE store_id = ANY (%(stores)s)
    AND month BETWEEN %(first_day)s AND %(ends_on)s
