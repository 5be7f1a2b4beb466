-- What is in the audit trail, writer by writer and row by row, to be verified?
SELECT
    call.writer_id,
    call.sequence,
    call.called_at,
    call.principal_id,
    call.principal_name,
    call.client,
    call.tool,
    call.fingerprint,
    call.query,
    call.stores,
    call.row_count,
    call.text_bytes,
    call.decision,
    call.code,
    call.seconds,
    call.trace_id,
    call.query_mac,
    call.key_id,
    call.mac AS stored_mac,
    kept.query_text,
    gone.erased_at,
    gone.erased_by,
    gone.key_id AS erasure_key_id,
    gone.signature AS erasure_signature
FROM audit.calls AS call
LEFT JOIN audit.texts AS kept ON call.writer_id = kept.writer_id AND call.sequence = kept.sequence
LEFT JOIN audit.erasures AS gone ON call.writer_id = gone.writer_id AND call.sequence = gone.sequence
WHERE %(writer)s::uuid IS NULL OR call.writer_id = %(writer)s
ORDER BY call.writer_id, call.sequence
