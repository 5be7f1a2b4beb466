-- What has everybody asked last? PostgreSQL refuses who does not hold audit:read.
SELECT
    called_at,
    principal_name,
    client,
    tool,
    fingerprint,
    query,
    query_text,
    stores,
    row_count,
    text_bytes,
    decision,
    code,
    seconds,
    trace_id
FROM audit.latest_calls(%(most)s)
