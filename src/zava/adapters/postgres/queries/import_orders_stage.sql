-- Where do lines of orders wait? A moment is a text: without an offset it is in the time zone of the business.
CREATE UNLOGGED TABLE retail.staged_orders (
    line integer,
    store text,
    order_number bigint,
    ordered_at text,
    status text,
    customer_number text,
    customer_email text,
    line_no integer,
    sku text,
    quantity integer,
    unit_price numeric,
    unit_cost numeric,
    discount_percent numeric,
    discount_amount numeric
);
