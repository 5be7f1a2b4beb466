-- Where do targets wait?
CREATE UNLOGGED TABLE retail.staged_targets (
    line integer,
    store text,
    month date,
    revenue_target numeric
);
