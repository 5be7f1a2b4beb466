-- Which queries of callers' own run in this database, the longest first? The one of the process %(stop)s is cancelled,
-- by this same statement: a process that is not among them is nobody's to stop here.
SELECT
    pid,
    left(application_name, 36) AS principal_id,
    -- PostgreSQL keeps 63 bytes.
    substr(application_name, 38) || CASE length(application_name) WHEN 63 THEN '…' ELSE '' END AS name,
    state,
    extract(EPOCH FROM clock_timestamp() - xact_start)::float8 AS seconds,
    query,
    CASE pid WHEN %(stop)s THEN pg_cancel_backend(pid) ELSE false END AS stopped
FROM pg_catalog.pg_stat_activity
WHERE usename = session_user
    AND datname = current_database()
    AND backend_type = 'client backend'
    AND xact_start IS NOT NULL
    AND application_name ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12} '
ORDER BY xact_start, pid
