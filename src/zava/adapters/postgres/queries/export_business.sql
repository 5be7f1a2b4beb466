-- How does the business count?
SELECT time_zone, week_starts_on, fiscal_year_starts_in, currency FROM retail.business_settings;
