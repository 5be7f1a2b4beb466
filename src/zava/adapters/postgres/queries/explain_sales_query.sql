-- How would PostgreSQL find the rows of the caller's own SELECT, of which one answer has at most so many? The beginning
-- of it: constants stand in a plan, and a caller can make them as long as they like.
SELECT left(sandbox.explain(%(query)s, %(most_rows)s::integer), %(most_characters)s::integer)
