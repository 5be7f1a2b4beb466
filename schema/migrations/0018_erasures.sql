-- Somebody may want to be forgotten: full texts of the audit trail that name them go, and the trail says that they went.
-- oldest-server: 0.1.0
--
-- The MAC of a row covers the MAC of its full text, and not the text itself, so that the chain stays whole without it. The
-- signature tells a text that was erased from one that somebody took away.
SET LOCAL ROLE zava_audit;

CREATE TABLE audit.erasures (
    writer_id uuid NOT NULL,
    sequence bigint NOT NULL,
    erased_at timestamptz NOT NULL,
    erased_by text NOT NULL,
    key_id text NOT NULL,
    signature text NOT NULL,
    PRIMARY KEY (writer_id, sequence),
    FOREIGN KEY (writer_id, sequence) REFERENCES audit.calls ON DELETE CASCADE
);
COMMENT ON TABLE audit.erasures IS 'Full texts that were erased since they named somebody who wants to be forgotten.';
COMMENT ON COLUMN audit.erasures.erased_by IS 'The login of PostgreSQL''s that did it.';
COMMENT ON COLUMN audit.erasures.key_id IS 'Names the key of the signature without telling it.';
COMMENT ON COLUMN audit.erasures.signature IS 'HMAC-SHA256 of the row, with the key of its chain.';

-- Keeps these rows, each once, however often it is sent; returns how many were new. What was erased does not come back.
CREATE OR REPLACE FUNCTION audit.append(batch jsonb) RETURNS integer
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
    SELECT * FROM jsonb_populate_recordset(NULL::audit.texts, batch) AS kept
    WHERE kept.query_text IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM audit.erasures AS gone
            WHERE gone.writer_id = kept.writer_id AND gone.sequence = kept.sequence
        )
    ON CONFLICT (writer_id, sequence) DO NOTHING;
    INSERT INTO audit.writers AS known
    SELECT DISTINCT ON (writer_id) writer_id, sequence, mac FROM jsonb_populate_recordset(NULL::audit.writers, batch)
    ORDER BY writer_id, sequence DESC
    ON CONFLICT (writer_id) DO UPDATE SET sequence = excluded.sequence, mac = excluded.mac
    WHERE known.sequence < excluded.sequence;
    RETURN added;
END
$$;
