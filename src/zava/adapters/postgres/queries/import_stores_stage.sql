-- Where do stores wait?
CREATE UNLOGGED TABLE retail.staged_stores (
    line integer,
    name text,
    location text,
    region text,
    is_online boolean,
    opened_on date
);
