-- Which calls have come to the database since these writers had written so much?
SELECT
    call.called_at,
    call.principal_name,
    call.client,
    call.tool,
    call.fingerprint,
    call.query,
    NULL AS query_text,
    call.stores,
    call.row_count,
    call.text_bytes,
    call.decision,
    call.code,
    call.seconds,
    call.trace_id
FROM unnest(%(writers)s::uuid[], %(sequences)s::bigint[]) AS seen (writer_id, sequence)
INNER JOIN audit.calls AS call ON seen.writer_id = call.writer_id AND call.sequence > seen.sequence
WHERE (%(since)s::timestamptz IS NULL OR call.called_at >= %(since)s)
    AND (%(principal)s::text IS NULL OR %(principal)s IN (call.principal_name, call.principal_id::text))
    AND (%(tool)s::text IS NULL OR call.tool = %(tool)s)
ORDER BY call.called_at
