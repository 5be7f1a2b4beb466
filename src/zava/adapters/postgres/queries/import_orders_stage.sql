-- Where do lines of orders wait? A moment is a text: without an offset it is in the time zone of the business.
--
-- What can be worked out of a line alone is, while the file is still being read. Texts are compared byte by byte.
CREATE UNLOGGED TABLE retail.staged_orders (
    line integer,
    store text COLLATE "C",
    order_number bigint,
    ordered_at text COLLATE "C",
    status text COLLATE "C",
    customer_number text COLLATE "C",
    customer_email text COLLATE "C",
    line_no integer,
    sku text COLLATE "C",
    quantity integer,
    unit_price numeric,
    unit_cost numeric,
    discount_percent numeric,
    said_discount numeric,
    discount_amount numeric GENERATED ALWAYS AS (
        coalesce(said_discount, round(quantity * unit_price * discount_percent / 100, 2), 0)
    ) STORED,
    line_total numeric GENERATED ALWAYS AS (
        quantity * unit_price - coalesce(said_discount, round(quantity * unit_price * discount_percent / 100, 2), 0)
    ) STORED,
    -- What all lines of an order must agree on.
    of_the_order text COLLATE "C" GENERATED ALWAYS AS (
        ordered_at || quote_literal(coalesce(status, '')) || quote_literal(coalesce(customer_number, ''))
        || quote_literal(coalesce(customer_email, ''))
    ) STORED
);
