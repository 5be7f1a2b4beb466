-- Where does stock wait?
CREATE UNLOGGED TABLE retail.staged_inventory (
    line integer,
    store text,
    sku text,
    stock_level integer,
    reorder_level integer
);
