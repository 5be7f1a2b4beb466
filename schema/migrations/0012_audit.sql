-- Who asked what, and what did they see: a row for each call, in chains that tell when one was changed or taken away.
-- oldest-server: 0.1.0
--
-- Servers write as zava_writer, by audit.append() and in no other way. Each server process is a writer with a chain of its
-- own: the MAC of a row covers the row and the MAC before it, with a key that stays with the servers.
SET LOCAL ROLE zava_audit;

CREATE TABLE audit.calls (
    writer_id uuid NOT NULL,
    sequence bigint NOT NULL CHECK (sequence > 0),
    called_at timestamptz NOT NULL,
    principal_id uuid,
    principal_name text,
    client text,
    tool text NOT NULL,
    fingerprint text,
    query text,
    stores text[],
    row_count integer,
    text_bytes integer NOT NULL,
    decision text NOT NULL CHECK (decision IN ('allowed', 'refused', 'failed')),
    code text,
    seconds double precision NOT NULL,
    trace_id text,
    query_mac text,
    key_id text NOT NULL,
    mac text NOT NULL,
    PRIMARY KEY (writer_id, sequence)
);
CREATE INDEX calls_by_moment ON audit.calls (called_at);
COMMENT ON TABLE audit.calls IS 'One row for each call of a tool, resource, prompt or completion, whoever made it.';
COMMENT ON COLUMN audit.calls.writer_id IS 'The server process that answered.';
COMMENT ON COLUMN audit.calls.sequence IS 'Counts the calls of this writer, without a gap.';
COMMENT ON COLUMN audit.calls.principal_id IS 'Who asked; NULL for nobody known.';
COMMENT ON COLUMN audit.calls.client IS 'Name and version of the client, by its own account.';
COMMENT ON COLUMN audit.calls.fingerprint IS 'Of free SQL: the same for queries that differ in their literals alone.';
COMMENT ON COLUMN audit.calls.query IS 'Free SQL without its literals, comments and invented names; NULL for what is no SQL.';
COMMENT ON COLUMN audit.calls.stores IS 'Names of the stores that the answer tells of; NULL when the principal saw all of their own and these were not to be found out.';
COMMENT ON COLUMN audit.calls.row_count IS 'Rows of the answer; NULL for one that is no list.';
COMMENT ON COLUMN audit.calls.text_bytes IS 'Bytes of the text that the model reads.';
COMMENT ON COLUMN audit.calls.code IS 'Of the error; NULL for an answer.';
COMMENT ON COLUMN audit.calls.query_mac IS 'MAC of the full text in audit.texts, where full texts are kept.';
COMMENT ON COLUMN audit.calls.key_id IS 'Names the key of the MACs without telling it.';
COMMENT ON COLUMN audit.calls.mac IS 'HMAC-SHA256 of the MAC before it and of this row.';

CREATE TABLE audit.texts (
    writer_id uuid NOT NULL,
    sequence bigint NOT NULL,
    query_text text NOT NULL,
    PRIMARY KEY (writer_id, sequence),
    FOREIGN KEY (writer_id, sequence) REFERENCES audit.calls ON DELETE CASCADE
);
COMMENT ON TABLE audit.texts IS 'Free SQL as it was written, where a server is set to keep it.';

CREATE TABLE audit.writers (
    writer_id uuid PRIMARY KEY,
    sequence bigint NOT NULL,
    mac text NOT NULL
);
COMMENT ON TABLE audit.writers IS 'The last row that each writer has written: an anchor of its chain.';

CREATE TABLE audit.checkpoints (
    writer_id uuid PRIMARY KEY,
    sequence bigint NOT NULL,
    mac text NOT NULL,
    key_id text NOT NULL,
    signature text NOT NULL
);
COMMENT ON TABLE audit.checkpoints IS 'Up to where rows of a writer were pruned, signed with the key of its chain.';

-- Keeps these rows, each once, however often it is sent; returns how many were new.
CREATE FUNCTION audit.append(batch jsonb) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    added integer;
BEGIN
    INSERT INTO audit.calls
    SELECT * FROM jsonb_populate_recordset(NULL::audit.calls, batch)
    ON CONFLICT (writer_id, sequence) DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    INSERT INTO audit.texts
    SELECT * FROM jsonb_populate_recordset(NULL::audit.texts, batch) AS kept WHERE kept.query_text IS NOT NULL
    ON CONFLICT (writer_id, sequence) DO NOTHING;
    INSERT INTO audit.writers AS known
    SELECT DISTINCT ON (writer_id) writer_id, sequence, mac FROM jsonb_populate_recordset(NULL::audit.writers, batch)
    ORDER BY writer_id, sequence DESC
    ON CONFLICT (writer_id) DO UPDATE SET sequence = excluded.sequence, mac = excluded.mac
    WHERE known.sequence < excluded.sequence;
    RETURN added;
END
$$;

-- The latest calls, for who holds "audit:read"; their full texts for who holds "personal" as well.
CREATE FUNCTION audit.latest_calls(most integer) RETURNS TABLE (
    called_at timestamptz,
    principal_name text,
    client text,
    tool text,
    fingerprint text,
    query text,
    query_text text,
    stores text[],
    row_count integer,
    text_bytes integer,
    decision text,
    code text,
    seconds double precision,
    trace_id text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shows_texts boolean := access.has_grant('personal');
BEGIN
    IF NOT access.has_grant('audit:read') THEN
        RAISE EXCEPTION 'the audit trail is not for this principal' USING ERRCODE = 'ZV003';
    END IF;
    RETURN QUERY
    SELECT
        call.called_at,
        call.principal_name,
        call.client,
        call.tool,
        call.fingerprint,
        call.query,
        CASE WHEN shows_texts THEN kept.query_text END,
        call.stores,
        call.row_count,
        call.text_bytes,
        call.decision,
        call.code,
        call.seconds,
        call.trace_id
    FROM audit.calls AS call
    LEFT JOIN audit.texts AS kept USING (writer_id, sequence)
    ORDER BY call.called_at DESC
    LIMIT least(most, 1000);
END
$$;

GRANT EXECUTE ON FUNCTION audit.append(jsonb) TO zava_writer;
GRANT EXECUTE ON FUNCTION audit.latest_calls(integer) TO zava_reader;

-- Head office of a sample shop that was made before there was anything to read.
SET LOCAL ROLE zava_access;
GRANT EXECUTE ON FUNCTION access.has_grant(text) TO zava_audit;
INSERT INTO access.principal_grants (principal_id, grant_name)
SELECT principal_id, 'audit:read' FROM access.principals
WHERE subject = 'demo-head-office' AND EXISTS (SELECT FROM access.sample_shop)
ON CONFLICT DO NOTHING;
