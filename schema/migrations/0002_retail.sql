-- The shop: stores, customers, products, stock, orders, returns, targets.
-- oldest-server: 0.1.0
--
-- store_id leads every key of a store-scoped table, so that one store's rows lie together, row policies use an index,
-- and the tables can be distributed by store.
SET LOCAL ROLE zava_owner;

CREATE FUNCTION retail.touch() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$;
COMMENT ON FUNCTION retail.touch() IS 'Keeps updated_at true.';

CREATE TABLE retail.business_settings (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    time_zone text NOT NULL DEFAULT 'UTC',
    week_starts_on smallint NOT NULL DEFAULT 1 CHECK (week_starts_on BETWEEN 1 AND 7),
    fiscal_year_starts_in smallint NOT NULL DEFAULT 1 CHECK (fiscal_year_starts_in BETWEEN 1 AND 12),
    currency text NOT NULL DEFAULT 'USD' CHECK (currency ~ '^[A-Z]{3}$')
);
COMMENT ON TABLE retail.business_settings IS 'One row: how this business counts its days and its money.';
COMMENT ON COLUMN retail.business_settings.time_zone IS 'IANA name. order_date is the date in this zone.';
COMMENT ON COLUMN retail.business_settings.week_starts_on IS '1 = Monday … 7 = Sunday.';
COMMENT ON COLUMN retail.business_settings.fiscal_year_starts_in IS 'Month, 1–12. A fiscal year is named after the year it ends in.';
COMMENT ON COLUMN retail.business_settings.currency IS 'ISO 4217. Every amount in this database is in it.';
INSERT INTO retail.business_settings DEFAULT VALUES;

CREATE TABLE retail.stores (
    store_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE CHECK (char_length(name) BETWEEN 1 AND 100),
    location text NOT NULL CHECK (char_length(location) <= 200),
    region text NOT NULL CHECK (char_length(region) BETWEEN 1 AND 100),
    is_online boolean NOT NULL DEFAULT false,
    opened_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE retail.stores IS 'The shops of the chain; the online shop is one of them.';
COMMENT ON COLUMN retail.stores.region IS 'A group of stores under one regional manager.';

CREATE TABLE retail.customer_records (
    store_id uuid NOT NULL REFERENCES retail.stores,
    customer_id uuid NOT NULL DEFAULT gen_random_uuid(),
    first_name text NOT NULL CHECK (char_length(first_name) <= 50),
    last_name text NOT NULL CHECK (char_length(last_name) <= 50),
    email text CHECK (char_length(email) <= 100 AND email = lower(email)),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, customer_id),
    UNIQUE (store_id, email)
);
COMMENT ON TABLE retail.customer_records IS 'Customers as each store knows them. Questions go through the view retail.customers.';
COMMENT ON COLUMN retail.customer_records.customer_id IS 'One person has the same customer_id in every store they buy from.';

CREATE TABLE retail.categories (
    category_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE CHECK (char_length(name) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE retail.categories IS 'The departments of the assortment. The same in every store.';

CREATE TABLE retail.product_types (
    product_type_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    category_id uuid NOT NULL REFERENCES retail.categories,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (category_id, name)
);
COMMENT ON TABLE retail.product_types IS 'Kinds of product within a category, such as "Cordless drills".';

CREATE TABLE retail.products (
    product_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    sku text NOT NULL UNIQUE CHECK (char_length(sku) BETWEEN 1 AND 50),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    description text NOT NULL DEFAULT '',
    product_type_id uuid NOT NULL REFERENCES retail.product_types,
    cost numeric(10, 2) NOT NULL CHECK (cost >= 0),
    base_price numeric(10, 2) NOT NULL CHECK (base_price >= 0),
    pack_size integer NOT NULL DEFAULT 1 CHECK (pack_size > 0),
    supplier_lead_days integer NOT NULL DEFAULT 7 CHECK (supplier_lead_days >= 0),
    discontinued boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX products_by_type ON retail.products (product_type_id);
COMMENT ON TABLE retail.products IS E'The assortment. The same in every store.\nHint: The category is two joins away: product_types, then categories.';
COMMENT ON COLUMN retail.products.cost IS 'What one unit costs today; order_items.unit_cost holds what it cost at the sale.';
COMMENT ON COLUMN retail.products.base_price IS 'List price of one unit today; order_items.unit_price holds what was charged.';
COMMENT ON COLUMN retail.products.pack_size IS 'Units in the pack in which the supplier delivers.';
COMMENT ON COLUMN retail.products.supplier_lead_days IS 'Days from order to delivery.';

CREATE TABLE retail.inventory (
    store_id uuid NOT NULL REFERENCES retail.stores,
    product_id uuid NOT NULL REFERENCES retail.products,
    stock_level integer NOT NULL CHECK (stock_level >= 0),
    reorder_level integer NOT NULL DEFAULT 0 CHECK (reorder_level >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, product_id)
);
COMMENT ON TABLE retail.inventory IS E'Stock as it is now.\nHint: Join products for names; stock_level <= reorder_level is due for reorder.';
COMMENT ON COLUMN retail.inventory.stock_level IS 'Units on hand.';
COMMENT ON COLUMN retail.inventory.reorder_level IS 'Reorder when stock_level is at or below this.';

CREATE TABLE retail.orders (
    store_id uuid NOT NULL REFERENCES retail.stores,
    order_id uuid NOT NULL DEFAULT gen_random_uuid(),
    order_number bigint NOT NULL CHECK (order_number > 0),
    customer_id uuid,
    ordered_at timestamptz NOT NULL,
    order_date date NOT NULL,
    total_amount numeric(10, 2) NOT NULL CHECK (total_amount >= 0),
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'paid', 'shipped', 'completed', 'cancelled')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, order_id),
    UNIQUE (store_id, order_number),
    UNIQUE (store_id, order_id, order_date),
    FOREIGN KEY (store_id, customer_id) REFERENCES retail.customer_records
);
CREATE INDEX orders_by_date ON retail.orders (store_id, order_date);
CREATE INDEX orders_by_customer ON retail.orders (store_id, customer_id);
COMMENT ON TABLE retail.orders IS E'One sale to one customer in one store.\nHint: Leave out status = ''cancelled'' when you count or sum sales.';
COMMENT ON COLUMN retail.orders.order_number IS 'Counts up within the store; what the receipt says.';
COMMENT ON COLUMN retail.orders.customer_id IS 'Null for an anonymous sale.';
COMMENT ON COLUMN retail.orders.order_date IS 'Date of ordered_at in the business time zone. Filter on this one.';
COMMENT ON COLUMN retail.orders.total_amount IS 'Sum of the line totals.';
COMMENT ON COLUMN retail.orders.status IS 'Cancelled orders do not count as revenue.';

CREATE TABLE retail.order_items (
    store_id uuid NOT NULL,
    order_id uuid NOT NULL,
    line_no integer NOT NULL CHECK (line_no > 0),
    order_date date NOT NULL,
    product_id uuid NOT NULL REFERENCES retail.products,
    quantity integer NOT NULL CHECK (quantity > 0),
    unit_price numeric(10, 2) NOT NULL CHECK (unit_price >= 0),
    unit_cost numeric(10, 2) NOT NULL CHECK (unit_cost >= 0),
    discount_percent numeric(5, 2) NOT NULL DEFAULT 0 CHECK (discount_percent BETWEEN 0 AND 100),
    discount_amount numeric(10, 2) NOT NULL DEFAULT 0 CHECK (discount_amount >= 0),
    line_total numeric(10, 2) NOT NULL CHECK (line_total >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, order_id, line_no),
    -- The copied date can never differ from the order's.
    FOREIGN KEY (store_id, order_id, order_date) REFERENCES retail.orders (store_id, order_id, order_date) ON UPDATE CASCADE,
    CHECK (line_total = quantity * unit_price - discount_amount)
);
CREATE INDEX order_items_by_date ON retail.order_items (store_id, order_date);
CREATE INDEX order_items_by_product ON retail.order_items (store_id, product_id, order_date);
COMMENT ON TABLE retail.order_items IS E'The lines of an order, one per product.\nHint: Revenue is sum(line_total); join orders on store_id, order_id and order_date and leave out cancelled ones.';
COMMENT ON COLUMN retail.order_items.order_date IS 'Copied from the order, so that lines can be filtered by date without a join.';
COMMENT ON COLUMN retail.order_items.unit_price IS 'Price of one unit before discount, as charged.';
COMMENT ON COLUMN retail.order_items.unit_cost IS 'Cost of one unit at the time of the sale.';
COMMENT ON COLUMN retail.order_items.line_total IS 'quantity × unit_price − discount_amount. Revenue is the sum of these.';

CREATE TABLE retail.returns (
    store_id uuid NOT NULL,
    return_id uuid NOT NULL DEFAULT gen_random_uuid(),
    order_id uuid NOT NULL,
    line_no integer NOT NULL,
    returned_on date NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    refund_amount numeric(10, 2) NOT NULL CHECK (refund_amount >= 0),
    reason text NOT NULL DEFAULT '' CHECK (char_length(reason) <= 200),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, return_id),
    FOREIGN KEY (store_id, order_id, line_no) REFERENCES retail.order_items
);
CREATE INDEX returns_by_date ON retail.returns (store_id, returned_on);
CREATE INDEX returns_by_line ON retail.returns (store_id, order_id, line_no);
COMMENT ON TABLE retail.returns IS E'Goods brought back, by the line they were sold on.\nHint: Net revenue is revenue less sum(refund_amount) of the same days.';
COMMENT ON COLUMN retail.returns.returned_on IS 'The day of the return, by which returns are counted; not the day of the sale.';

CREATE TABLE retail.store_targets (
    store_id uuid NOT NULL REFERENCES retail.stores,
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    revenue_target numeric(12, 2) NOT NULL CHECK (revenue_target >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, month)
);
COMMENT ON TABLE retail.store_targets IS E'What each store means to turn over in a month.\nHint: Compare with revenue of the same store and month.';
COMMENT ON COLUMN retail.store_targets.month IS 'First day of the month.';

DO $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY[
        'stores', 'customer_records', 'categories', 'product_types', 'products', 'inventory', 'orders', 'store_targets'
    ] LOOP
        EXECUTE format(
            'CREATE TRIGGER touch BEFORE UPDATE ON retail.%I FOR EACH ROW EXECUTE FUNCTION retail.touch()', table_name
        );
    END LOOP;
END
$$;
