-- How does this business count its days and its money, and does the principal see all of it?
SELECT
    time_zone,
    week_starts_on,
    fiscal_year_starts_in,
    currency,
    access.sees_all_stores() AS sees_all_stores
FROM retail.business_settings
