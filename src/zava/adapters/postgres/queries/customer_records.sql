-- Who is known by this e-mail address, customer number or customer_id, and as whom do all stores know them?
SELECT
    customer.customer_id,
    store.name AS store,
    customer.customer_number,
    customer.email,
    customer.first_name,
    customer.last_name,
    customer.created_at AS known_since,
    (%(store)s::text IS NULL OR store.name = %(store)s)
    AND %(wanted)s IN (customer.customer_number, customer.customer_id::text)
    OR lower(%(wanted)s) = customer.email AS is_meant
FROM retail.customer_records AS customer
INNER JOIN retail.stores AS store ON customer.store_id = store.store_id
WHERE customer.customer_id IN (
    SELECT known.customer_id
    FROM retail.customer_records AS known
    INNER JOIN retail.stores AS place ON known.store_id = place.store_id
    WHERE (
        known.email = lower(%(wanted)s) OR known.customer_number = %(wanted)s OR known.customer_id::text = lower(%(wanted)s)
    )
    AND (%(store)s::text IS NULL OR place.name = %(store)s)
)
ORDER BY store.name;
