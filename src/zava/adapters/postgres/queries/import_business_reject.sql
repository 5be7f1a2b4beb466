-- Which business settings are no use?
INSERT INTO retail.staged_business_rejected (line, reason)
SELECT staged.line, problem.reason
FROM retail.staged_business AS staged
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN (SELECT count(*) FROM retail.staged_business) > 1 THEN 'the business has one row, and here are several'
            WHEN staged.time_zone NOT IN (SELECT zone.name FROM pg_timezone_names AS zone)
                THEN format('time_zone: there is no %L; write one such as ''America/Los_Angeles''', staged.time_zone)
            WHEN staged.time_zone <> (SELECT known.time_zone FROM retail.business_settings AS known)
                AND EXISTS (SELECT FROM retail.orders)
                THEN format(
                    'time_zone: it cannot change any more, since the days of orders are those of %L',
                    (SELECT known.time_zone FROM retail.business_settings AS known)
                )
        END AS reason
) AS problem
WHERE problem.reason IS NOT NULL;
