-- Where do products wait?
CREATE UNLOGGED TABLE retail.staged_products (
    line integer,
    sku text,
    name text,
    description text,
    category text,
    product_type text,
    base_price numeric,
    cost numeric,
    pack_size integer,
    supplier_lead_days integer,
    discontinued boolean
);
