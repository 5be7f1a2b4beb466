-- Which of these words are said of products, and of how many in their name, kind or category?
SELECT
    known.word,
    (
        SELECT count(*)
        FROM retail.product_search AS described
        WHERE described.words @@ to_tsquery('english', known.word || ':AB')
    )::integer AS products
FROM retail.product_words AS known
WHERE known.word = ANY (%(words)s)
