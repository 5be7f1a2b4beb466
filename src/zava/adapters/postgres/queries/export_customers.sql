-- Which customers has each store? Those without number and e-mail address go by their customer_id.
SELECT
    store.name AS store,
    coalesce(
        customer.customer_number, CASE WHEN customer.email IS NULL THEN customer.customer_id::text END
    ) AS customer_number,
    customer.email,
    customer.first_name,
    customer.last_name
FROM retail.customer_records AS customer
INNER JOIN retail.stores AS store ON customer.store_id = store.store_id
ORDER BY store.name, customer_number, customer.email;
