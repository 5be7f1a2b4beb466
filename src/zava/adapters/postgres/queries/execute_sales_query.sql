-- What does the caller's own SELECT ($1) say, in at most so many rows ($2) and bytes ($3)?
SELECT sandbox.run($1, $2::integer, $3::integer)
