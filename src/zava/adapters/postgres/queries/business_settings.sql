-- How does this business count its days and its money, and how much of it does the principal see?
SELECT
    time_zone,
    week_starts_on,
    fiscal_year_starts_in,
    currency,
    access.sees_all_stores() AS sees_all_stores,
    access.has_grant('audit:read') AS reads_audit
FROM retail.business_settings
