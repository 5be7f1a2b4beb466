-- Where do business settings wait?
CREATE UNLOGGED TABLE retail.staged_business (
    line integer,
    time_zone text,
    week_starts_on smallint,
    fiscal_year_starts_in smallint,
    currency text
);
