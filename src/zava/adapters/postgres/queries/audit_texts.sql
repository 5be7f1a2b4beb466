-- Which free SQL is kept as it was written?
SELECT kept.writer_id, kept.sequence, call.called_at, kept.query_text
FROM audit.texts AS kept
INNER JOIN audit.calls AS call ON kept.writer_id = call.writer_id AND kept.sequence = call.sequence
ORDER BY call.called_at;
