-- Which customers fit neither together nor into the shop? Leaves behind who each of the others is.
--
-- Somebody is known by number, or by e-mail address as long as there is no other number. Customers that have neither, as
-- SQL may have made them, go by their customer_id.
CREATE UNLOGGED TABLE retail.staged_customers_found AS
SELECT
    staged.line,
    store.store_id,
    coalesce(
        numbered.customer_id,
        CASE WHEN staged.customer_number IS NULL OR mailed.customer_number IS NULL THEN mailed.customer_id END
    ) AS customer_id,
    mailed.customer_id AS mailed_id
FROM retail.staged_customers AS staged
LEFT JOIN retail.stores AS store ON staged.store = store.name
LEFT JOIN retail.customer_records AS numbered
    ON store.store_id = numbered.store_id
    AND staged.customer_number = coalesce(
        numbered.customer_number, CASE WHEN numbered.email IS NULL THEN numbered.customer_id::text END
    )
LEFT JOIN retail.customer_records AS mailed ON store.store_id = mailed.store_id AND staged.email = mailed.email;

INSERT INTO retail.staged_customers_rejected (line, reason)
SELECT problem.line, problem.reason
FROM (
    SELECT
        twin.line,
        CASE
            WHEN twin.store_id IS NULL THEN format('store: there is no %L', twin.store)
            WHEN twin.email <> lower(twin.email) THEN format('email: %L cannot be written in lower case', twin.email)
            WHEN twin.same_number IS NOT NULL
                THEN format('customer_number: %L stands on line %s too', twin.customer_number, twin.same_number)
            WHEN twin.same_email IS NOT NULL
                THEN format('email: %L stands on line %s too', twin.email, twin.same_email)
            WHEN twin.same_customer IS NOT NULL THEN format('line %s is the same customer', twin.same_customer)
            WHEN twin.mailed_id <> twin.customer_id OR (twin.mailed_id IS NOT NULL AND twin.customer_id IS NULL)
                THEN format('email: %L is that of another customer', twin.email)
        END AS reason
    FROM (
        SELECT
            staged.line,
            staged.store,
            staged.email,
            staged.customer_number,
            found.store_id,
            found.customer_id,
            found.mailed_id,
            CASE WHEN staged.customer_number IS NOT NULL THEN coalesce(
                lag(staged.line) OVER by_number, lead(staged.line) OVER by_number
            ) END AS same_number,
            CASE WHEN staged.email IS NOT NULL THEN coalesce(
                lag(staged.line) OVER by_email, lead(staged.line) OVER by_email
            ) END AS same_email,
            CASE WHEN found.customer_id IS NOT NULL THEN coalesce(
                lag(staged.line) OVER by_customer, lead(staged.line) OVER by_customer
            ) END AS same_customer
        FROM retail.staged_customers AS staged
        INNER JOIN retail.staged_customers_found AS found ON staged.line = found.line
        WINDOW
            by_number AS (PARTITION BY staged.store, staged.customer_number ORDER BY staged.line),
            by_email AS (PARTITION BY staged.store, staged.email ORDER BY staged.line),
            by_customer AS (PARTITION BY found.store_id, found.customer_id ORDER BY staged.line)
    ) AS twin
) AS problem
WHERE problem.reason IS NOT NULL;
