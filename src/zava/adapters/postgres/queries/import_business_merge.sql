-- How does the business count its days and its money?
WITH changed AS (
    UPDATE retail.business_settings AS known
    SET
        time_zone = coalesce(staged.time_zone, known.time_zone),
        week_starts_on = coalesce(staged.week_starts_on, known.week_starts_on),
        fiscal_year_starts_in = coalesce(staged.fiscal_year_starts_in, known.fiscal_year_starts_in),
        currency = coalesce(staged.currency, known.currency)
    FROM retail.staged_business AS staged
    WHERE (
        coalesce(staged.time_zone, known.time_zone),
        coalesce(staged.week_starts_on, known.week_starts_on),
        coalesce(staged.fiscal_year_starts_in, known.fiscal_year_starts_in),
        coalesce(staged.currency, known.currency)
    ) IS DISTINCT FROM (known.time_zone, known.week_starts_on, known.fiscal_year_starts_in, known.currency)
    RETURNING 1
)

SELECT 'changed', count(*) FROM changed;
