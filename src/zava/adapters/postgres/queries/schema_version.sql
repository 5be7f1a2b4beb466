-- How far has the schema come, and what is the oldest server that can live with it?
SELECT
    coalesce(max(version), 0) AS version,
    coalesce(
        array_to_string(max(string_to_array(oldest_server, '.')::integer[]), '.'),
        '0'
    ) AS oldest_server,
    EXISTS (SELECT FROM access.schema_version() WHERE series = 'citus') AS distributed
FROM access.schema_version()
WHERE series = 'migrations'
