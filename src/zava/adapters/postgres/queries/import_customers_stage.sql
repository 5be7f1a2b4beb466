-- Where do customers wait?
CREATE UNLOGGED TABLE retail.staged_customers (
    line integer,
    store text,
    customer_number text,
    email text,
    first_name text,
    last_name text
);
