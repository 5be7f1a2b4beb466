-- Which customers has each store? Who has one e-mail address has one customer_id, in every store.
WITH said AS (
    SELECT
        known.store_id,
        known.customer_id,
        -- Those without number and e-mail address are exported by their customer_id.
        coalesce(nullif(staged.customer_number, known.customer_id::text), known.customer_number) AS customer_number,
        coalesce(staged.email, known.email) AS email,
        coalesce(staged.first_name, known.first_name) AS first_name,
        coalesce(staged.last_name, known.last_name) AS last_name
    FROM retail.staged_customers AS staged
    INNER JOIN retail.staged_customers_found AS found ON staged.line = found.line
    INNER JOIN retail.customer_records AS known
        ON found.store_id = known.store_id AND found.customer_id = known.customer_id
),

changed AS (
    UPDATE retail.customer_records AS known
    SET
        customer_number = said.customer_number,
        email = said.email,
        first_name = said.first_name,
        last_name = said.last_name
    FROM said
    WHERE known.store_id = said.store_id
        AND known.customer_id = said.customer_id
        AND (said.customer_number, said.email, said.first_name, said.last_name)
            IS DISTINCT FROM (known.customer_number, known.email, known.first_name, known.last_name)
    RETURNING 1
)

SELECT 'changed', count(*) FROM changed;

WITH coming AS (
    SELECT
        found.store_id,
        staged.customer_number,
        staged.email,
        coalesce(staged.first_name, '') AS first_name,
        coalesce(staged.last_name, '') AS last_name,
        elsewhere.customer_id AS known_id,
        first_value(staged.new_id) OVER (PARTITION BY coalesce(staged.email, staged.line::text)) AS new_id
    FROM (SELECT *, gen_random_uuid() AS new_id FROM retail.staged_customers) AS staged
    INNER JOIN retail.staged_customers_found AS found ON staged.line = found.line
    LEFT JOIN (
        SELECT DISTINCT ON (known.email) known.email, known.customer_id
        FROM retail.customer_records AS known
        ORDER BY known.email, known.created_at, known.store_id
    ) AS elsewhere ON staged.email = elsewhere.email
    WHERE found.customer_id IS NULL
),

added AS (
    INSERT INTO retail.customer_records (store_id, customer_id, customer_number, email, first_name, last_name)
    SELECT
        coming.store_id,
        -- Somebody who had this e-mail address before may have the id here.
        CASE
            WHEN EXISTS (
                SELECT FROM retail.customer_records AS taken
                WHERE taken.store_id = coming.store_id AND taken.customer_id = coming.known_id
            ) THEN gen_random_uuid()
            ELSE coalesce(coming.known_id, coming.new_id)
        END,
        coming.customer_number,
        coming.email,
        coming.first_name,
        coming.last_name
    FROM coming
    RETURNING 1
)

SELECT 'new', count(*) FROM added;
