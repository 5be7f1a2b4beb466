-- Which products answer a description best, by meaning and by words? Each has a place in either list, and both places
-- count: reciprocal rank fusion (Cormack, Clarke, Büttcher 2009). A SKU comes first, then
-- a thing that has all words in its name, if one of them is a size. All words in name and kind, or the size alone, count
-- half as much again.
--
-- One plan serves every question, so that none has to be planned: what a question does not need is not begun, and what
-- stands before OFFSET 0 is looked up row by row, whatever the planner believes of how many rows there are.
WITH
kinds AS MATERIALIZED (
    SELECT product_type.product_type_id
    FROM retail.product_types AS product_type
    INNER JOIN retail.categories AS category ON product_type.category_id = category.category_id
    WHERE %(category)s::text IS NULL OR %(category)s IN (category.name, product_type.name)
),

-- Those that may be shown. What is no longer sold is shown while it lasts.
wanted AS MATERIALIZED (
    SELECT product.product_id
    FROM retail.products AS product
    INNER JOIN kinds ON product.product_type_id = kinds.product_type_id
    WHERE NOT %(in_stock_only)s
        AND (%(max_price)s::numeric IS NULL OR product.base_price <= %(max_price)s)
        AND (NOT product.discontinued OR EXISTS (
            SELECT FROM retail.inventory AS stock WHERE stock.product_id = product.product_id AND stock.stock_level > 0
        ))
    UNION ALL
    SELECT DISTINCT stock.product_id
    FROM retail.stores AS store
    CROSS JOIN LATERAL (
        SELECT held.product_id
        FROM retail.inventory AS held
        WHERE held.store_id = store.store_id AND held.stock_level > 0
        OFFSET 0
    ) AS stock
    WHERE %(in_stock_only)s
        AND ((%(category)s::text IS NULL AND %(max_price)s::numeric IS NULL) OR stock.product_id IN (
            SELECT product.product_id
            FROM retail.products AS product
            INNER JOIN kinds ON product.product_type_id = kinds.product_type_id
            WHERE %(max_price)s::numeric IS NULL OR product.base_price <= %(max_price)s
        ))
),

-- Are they no more than a few? Counted in indexes, and no further than need be.
slice AS MATERIALIZED (
    SELECT
        (%(category)s::text IS NOT NULL AND NOT EXISTS (
            SELECT
            FROM retail.products AS product
            INNER JOIN kinds ON product.product_type_id = kinds.product_type_id
            OFFSET %(few)s
        ))
        OR (%(in_stock_only)s AND NOT EXISTS (
            SELECT
            FROM retail.stores AS store
            CROSS JOIN LATERAL (
                SELECT FROM retail.inventory AS held WHERE held.store_id = store.store_id OFFSET 0
            ) AS stock
            OFFSET %(few)s
        )) AS is_small
),

sought AS MATERIALIZED (
    SELECT
        plainto_tsquery('english', retail.plain_sizes(%(query_description)s)) AS words,
        lower(btrim(%(query_description)s)) AS sku,
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
            sought.measures <> '{{}}' AND ts_filter(described.words, '{{a}}') @@ sought.words AS exact
        FROM retail.product_search AS described
        CROSS JOIN sought
        WHERE described.words @@ sought.words
            AND CASE
                WHEN (SELECT is_small FROM slice) THEN described.product_id IN (SELECT product_id FROM wanted)
                -- As in wanted, without a list of them all. What is asked of the stock alone, the stock alone answers.
                WHEN %(in_stock_only)s AND %(category)s::text IS NULL AND %(max_price)s::numeric IS NULL THEN EXISTS (
                    SELECT FROM retail.inventory AS stock
                    WHERE stock.product_id = described.product_id AND stock.stock_level > 0
                    OFFSET 0
                )
                ELSE (
                    SELECT
                        (%(category)s::text IS NULL OR product.product_type_id IN (SELECT product_type_id FROM kinds))
                        AND (%(max_price)s::numeric IS NULL OR product.base_price <= %(max_price)s)
                        AND (NOT (%(in_stock_only)s OR product.discontinued) OR EXISTS (
                            SELECT FROM retail.inventory AS stock
                            WHERE stock.product_id = product.product_id AND stock.stock_level > 0
                        ))
                    FROM retail.products AS product
                    WHERE product.product_id = described.product_id
                )
            END
        ORDER BY exact DESC, rank DESC, described.product_id
        LIMIT %(depth)s
    ) AS matching
),

-- How many of the nearest count? Without words or sizes that match, none rises above another.
nearest AS MATERIALIZED (
    SELECT CASE WHEN measures <> '{{}}' OR EXISTS (SELECT FROM by_words) THEN %(depth)s::bigint ELSE %(max_rows)s END AS many
    FROM sought
),

-- Many products, and an index of them. Its condition and its expression are matched by literals alone.
by_index AS MATERIALIZED (
    SELECT
        embedded.product_id,
        embedded.embedding::vector({dimensions}) <=> %(embedding)s::vector({dimensions}) AS distance
    FROM retail.product_description_embeddings AS embedded
    WHERE embedded.model = {model}
        AND (SELECT to_regclass({index}) IS NOT NULL AND NOT is_small FROM slice)
        AND CASE
            WHEN %(in_stock_only)s AND %(category)s::text IS NULL AND %(max_price)s::numeric IS NULL THEN EXISTS (
                SELECT FROM retail.inventory AS stock
                WHERE stock.product_id = embedded.product_id AND stock.stock_level > 0
                OFFSET 0
            )
            ELSE (
                SELECT
                    (%(category)s::text IS NULL OR product.product_type_id IN (SELECT product_type_id FROM kinds))
                    AND (%(max_price)s::numeric IS NULL OR product.base_price <= %(max_price)s)
                    AND (NOT (%(in_stock_only)s OR product.discontinued) OR EXISTS (
                        SELECT FROM retail.inventory AS stock
                        WHERE stock.product_id = product.product_id AND stock.stock_level > 0
                    ))
                FROM retail.products AS product
                WHERE product.product_id = embedded.product_id
            )
        END
    ORDER BY embedded.embedding::vector({dimensions}) <=> %(embedding)s::vector({dimensions})
    LIMIT (SELECT many FROM nearest)
),

-- The index gives up after a while. What it has found by then is not kept.
still_sought AS MATERIALIZED (
    SELECT (SELECT count(*) FROM by_index) < many AS exactly FROM nearest
),

near AS MATERIALIZED (
    SELECT
        product_id,
        distance
    FROM by_index
    WHERE NOT (SELECT exactly FROM still_sought)
    UNION ALL
    (
        SELECT
            wanted.product_id,
            embedded.embedding <=> %(embedding)s::vector AS distance
        FROM wanted
        CROSS JOIN LATERAL (
            SELECT stored.embedding
            FROM retail.product_description_embeddings AS stored
            WHERE stored.product_id = wanted.product_id AND stored.model = {model}
            OFFSET 0
        ) AS embedded
        WHERE (SELECT exactly FROM still_sought)
            AND (SELECT count(*) FROM wanted) <= %(some)s
        ORDER BY distance
        LIMIT (SELECT many FROM nearest)
    )
    UNION ALL
    (
        SELECT
            embedded.product_id,
            embedded.embedding <=> %(embedding)s::vector AS distance
        FROM wanted
        INNER JOIN retail.product_description_embeddings AS embedded ON wanted.product_id = embedded.product_id
        WHERE embedded.model = {model}
            AND (SELECT exactly FROM still_sought)
            AND (SELECT count(*) FROM wanted) > %(some)s
        ORDER BY distance
        LIMIT (SELECT many FROM nearest)
    )
),

-- Words in common say which of the near ones is meant, the more the fewer have them: a word that a third of them have
-- weighs as much as two hundredths of similarity, one that a single one has five to eight. The nearest stay who they are;
-- only their order changes.
shared AS (
    SELECT
        described.product_id,
        0.02 * sum(ln(1 + (found.near_ones - found.having + 0.5) / (found.having + 0.5))) AS weight
    FROM (
        SELECT
            word,
            count(*) AS having,
            (SELECT count(*) FROM near) AS near_ones,
            array_agg(described.product_id) AS product_ids
        FROM unnest(tsvector_to_array(to_tsvector('english', retail.plain_sizes(%(query_description)s)))) AS word
        INNER JOIN retail.product_search AS described
            ON described.product_id IN (SELECT product_id FROM near)
            AND described.words @@ quote_literal(word)::tsquery
        GROUP BY word
    ) AS found
    CROSS JOIN LATERAL unnest(found.product_ids) AS described (product_id)
    GROUP BY described.product_id
),

by_meaning AS (
    SELECT
        near.product_id,
        1 - near.distance AS similarity,
        row_number() OVER (ORDER BY near.distance - coalesce(shared.weight, 0), near.product_id) AS place
    FROM near
    LEFT JOIN shared ON near.product_id = shared.product_id
    WHERE 1 - near.distance >= %(similarity_threshold)s::float8 / 100
),

fused AS (
    SELECT
        product_id,
        lower(described.sku) = sought.sku AS is_sku,
        coalesce(by_words.exact, false) AS exact,
        (coalesce(1.0 / (60 + by_meaning.place), 0) + coalesce(1.0 / (60 + by_words.place), 0))
        * CASE
            WHEN ts_filter(described.words, '{{a,b}}') @@ sought.words
                OR (sought.measures <> '{{}}' AND sought.measures <@ described.measures)
                THEN 1.5
            ELSE 1
        END AS score,
        round(by_meaning.similarity * 100)::integer AS similarity,
        CASE WHEN by_words.place IS NULL THEN 'meaning' WHEN by_meaning.place IS NULL THEN 'words' ELSE 'both' END AS matched
    FROM by_meaning
    FULL JOIN by_words USING (product_id)
    CROSS JOIN sought
    CROSS JOIN LATERAL (
        SELECT
            product.sku,
            searched.words,
            searched.measures
        FROM retail.products AS product
        INNER JOIN retail.product_search AS searched ON product.product_id = searched.product_id
        WHERE product.product_id = coalesce(by_meaning.product_id, by_words.product_id)
        OFFSET 0
    ) AS described
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
