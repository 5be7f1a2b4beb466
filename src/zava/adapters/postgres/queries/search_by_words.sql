-- Which products answer a description best, by words alone? As semantic_search.sql without its meaning.
WITH
-- Those that may be shown.
wanted AS MATERIALIZED (
    SELECT product.product_id
    FROM retail.products AS product
    INNER JOIN retail.product_types AS product_type ON product.product_type_id = product_type.product_type_id
    INNER JOIN retail.categories AS category ON product_type.category_id = category.category_id
    WHERE (%(category)s::text IS NULL OR %(category)s IN (category.name, product_type.name))
        AND (%(max_price)s::numeric IS NULL OR product.base_price <= %(max_price)s)
        -- What is no longer sold is shown while it lasts.
        AND (
            NOT (%(in_stock_only)s OR product.discontinued)
            OR product.product_id IN (SELECT stock.product_id FROM retail.inventory AS stock WHERE stock.stock_level > 0)
        )
),

sought AS MATERIALIZED (
    SELECT
        plainto_tsquery('english', retail.plain_sizes(%(query_description)s)) AS words,
        retail.measures(%(query_description)s) AS measures
),

by_words AS (
    SELECT
        product_id,
        exact,
        row_number() OVER (ORDER BY exact DESC, rank DESC, product_id) AS place
    FROM (
        SELECT
            described.product_id,
            ts_rank(described.words, sought.words, 1) AS rank,
            -- A thing with its size, in the name itself.
            sought.measures <> '{}' AND ts_filter(described.words, '{a}') @@ sought.words AS exact
        FROM retail.product_search AS described
        INNER JOIN wanted ON described.product_id = wanted.product_id
        CROSS JOIN sought
        WHERE described.words @@ sought.words
        ORDER BY exact DESC, rank DESC, described.product_id
        LIMIT %(depth)s
    ) AS matching
),

best AS (
    SELECT
        product_id,
        place
    FROM by_words
    ORDER BY place
    LIMIT %(max_rows)s
)

SELECT
    card.*,
    'words' AS matched,
    NULL::integer AS similarity
FROM best AS found
CROSS JOIN LATERAL retail.product_card(found.product_id, %(tell_availability)s) AS card
ORDER BY found.place
