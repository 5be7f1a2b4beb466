-- What does the caller's own SELECT ($1) say, in at most so many rows ($2) and bytes ($3)? One of the three is run.
SELECT answer FROM sandbox.run_for_one($1, $2::integer, $3::integer) AS answer WHERE sandbox.shape() = 'one'
UNION ALL
SELECT answer FROM sandbox.run_for_some($1, $2::integer, $3::integer) AS answer WHERE sandbox.shape() = 'some'
UNION ALL
SELECT answer FROM sandbox.run_for_all($1, $2::integer, $3::integer) AS answer WHERE sandbox.shape() = 'all'
