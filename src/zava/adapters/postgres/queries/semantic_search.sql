-- Which products answer a description best, by meaning and by words? Each has a place in either list, and both places
-- count: reciprocal rank fusion (Cormack, Clarke, Büttcher 2009). A SKU comes first, then
-- a thing that has all words in its name, if one of them is a size. All words in name and kind, or the size alone, count
-- half as much again.
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
        lower(btrim(%(query_description)s)) AS sku,
        retail.measures(%(query_description)s) AS measures
),

by_meaning AS (
    SELECT
        product_id,
        similarity,
        row_number() OVER (ORDER BY similarity DESC, product_id) AS place
    FROM (
        SELECT
            embedded.product_id,
            1 - (embedded.embedding <=> %(embedding)s::vector) AS similarity
        FROM retail.product_description_embeddings AS embedded
        INNER JOIN wanted ON embedded.product_id = wanted.product_id
        WHERE embedded.model = %(model)s
        ORDER BY embedded.embedding <=> %(embedding)s::vector
        LIMIT %(depth)s
    ) AS near
    WHERE similarity >= %(similarity_threshold)s::float8 / 100
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

fused AS (
    SELECT
        product_id,
        product.sku IS NOT NULL AND lower(product.sku) = sought.sku AS is_sku,
        coalesce(by_words.exact, false) AS exact,
        (coalesce(1.0 / (60 + by_meaning.place), 0) + coalesce(1.0 / (60 + by_words.place), 0))
        * CASE
            WHEN ts_filter(described.words, '{a,b}') @@ sought.words
                OR (sought.measures <> '{}' AND sought.measures <@ described.measures)
                THEN 1.5
            ELSE 1
        END AS score,
        round(by_meaning.similarity * 100)::integer AS similarity,
        CASE WHEN by_words.place IS NULL THEN 'meaning' WHEN by_meaning.place IS NULL THEN 'words' ELSE 'both' END AS matched
    FROM by_meaning
    FULL JOIN by_words USING (product_id)
    INNER JOIN retail.products AS product USING (product_id)
    INNER JOIN retail.product_search AS described USING (product_id)
    CROSS JOIN sought
    ORDER BY is_sku DESC, exact DESC, score DESC, product_id
    LIMIT %(max_rows)s
)

SELECT
    card.*,
    found.matched,
    found.similarity
FROM fused AS found
CROSS JOIN LATERAL retail.product_card(found.product_id, %(tell_availability)s) AS card
ORDER BY found.is_sku DESC, found.exact DESC, found.score DESC, found.product_id
