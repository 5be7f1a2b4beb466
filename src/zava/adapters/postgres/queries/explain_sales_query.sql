-- How would PostgreSQL find the rows of the caller's own SELECT, of which one answer has at most so many?
SELECT sandbox.explain(%(query)s, %(most_rows)s::integer)
