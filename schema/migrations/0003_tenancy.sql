-- Row security: each caller sees the rows of their own stores, whoever writes the query.
-- oldest-server: 0.1.0
--
-- One policy serves every kind of principal, since what differs between them is only the list of stores. Several
-- permissive policies would be joined by OR, which takes the index away from everybody.
SET LOCAL ROLE zava_owner;

DO $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY[
        'stores', 'customer_records', 'inventory', 'orders', 'order_items', 'returns', 'store_targets'
    ] LOOP
        EXECUTE format('ALTER TABLE retail.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', table_name);
        EXECUTE format(
            'CREATE POLICY own_stores ON retail.%I FOR SELECT TO %s '
            'USING (store_id = ANY ((SELECT access.my_stores())::uuid[]))',
            table_name,
            -- Customers are read through the view below, which belongs to zava_access.
            CASE table_name WHEN 'customer_records' THEN 'zava_access' ELSE 'zava_reader, zava_sandbox' END
        );
        -- FORCE binds the owner too: without this its inserts fail and a dump is silently empty.
        EXECUTE format('CREATE POLICY owner ON retail.%I TO zava_owner USING (true) WITH CHECK (true)', table_name);
    END LOOP;
END
$$;

-- Head office's context lists every store.
CREATE POLICY every_store ON retail.stores FOR SELECT TO zava_access USING (true);
GRANT SELECT (store_id) ON retail.stores TO zava_access;

GRANT SELECT ON
    retail.business_settings, retail.stores, retail.categories, retail.product_types, retail.products,
    retail.inventory, retail.orders, retail.order_items, retail.returns, retail.store_targets
TO zava_reader, zava_sandbox;

-- Customers are read through a view that masks them unless the context carries the grant "personal". It belongs to
-- zava_access, which answers no questions, so that nobody who does can reach the records behind it.
GRANT SELECT ON retail.customer_records TO zava_access;
GRANT CREATE ON SCHEMA retail TO zava_access;

SET LOCAL ROLE zava_access;
CREATE VIEW retail.customers WITH (security_barrier) AS
SELECT
    store_id,
    customer_id,
    CASE WHEN (SELECT access.has_grant('personal')) THEN first_name ELSE left(first_name, 1) || '***' END AS first_name,
    CASE WHEN (SELECT access.has_grant('personal')) THEN last_name ELSE left(last_name, 1) || '***' END AS last_name,
    CASE WHEN (SELECT access.has_grant('personal')) THEN email ELSE left(email, 1) || '***@***' END AS email,
    created_at
FROM retail.customer_records;
COMMENT ON VIEW retail.customers IS 'Customers of your stores. Names and e-mail are masked unless you hold the grant "personal".';
COMMENT ON COLUMN retail.customers.customer_id IS 'One person has the same customer_id in every store they buy from.';
COMMENT ON COLUMN retail.customers.created_at IS 'When this store first knew the customer.';
GRANT SELECT ON retail.customers TO zava_reader, zava_sandbox;

SET LOCAL ROLE zava_owner;
REVOKE CREATE ON SCHEMA retail FROM zava_access;
