-- Who may see what, and the sealed context that tells the row policies who asks.
-- oldest-server: 0.1.0
--
-- The server mints a token `key_id|principal|expiry|mac`; seal_context() verifies it, looks the principal up (so that
-- a revocation acts on the next question) and seals `principal|role|stores|grants|backend|transaction|mac` into a
-- transaction-local setting with a key that only this schema knows. The context can be read but not forged, dies with
-- the transaction and writes nothing, so it works on a hot standby too.
SET LOCAL ROLE zava_access;

CREATE TABLE access.principals (
    principal_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    subject text NOT NULL UNIQUE CHECK (char_length(subject) BETWEEN 1 AND 255),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    role text NOT NULL CHECK (role IN ('store_manager', 'regional_manager', 'head_office')),
    disabled boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE access.principals IS 'Who may ask. Head office sees every store; all others those of principal_stores.';
COMMENT ON COLUMN access.principals.subject IS 'What the identity provider calls this person or machine.';

CREATE TABLE access.principal_stores (
    principal_id uuid NOT NULL REFERENCES access.principals ON DELETE CASCADE,
    store_id uuid NOT NULL,
    PRIMARY KEY (principal_id, store_id)
);
COMMENT ON TABLE access.principal_stores IS 'The stores a principal sees. A store that is gone is simply never matched.';

CREATE TABLE access.principal_grants (
    principal_id uuid NOT NULL REFERENCES access.principals ON DELETE CASCADE,
    grant_name text NOT NULL CHECK (grant_name IN ('personal', 'audit:read')),
    PRIMARY KEY (principal_id, grant_name)
);
COMMENT ON TABLE access.principal_grants IS 'What a principal may see beyond figures: "personal" unmasks customers.';

-- HMAC keys as their two padded halves (RFC 2104), so that a signature is two hashes and no loop.
CREATE TABLE access.keys (
    key_id text PRIMARY KEY CHECK (key_id ~ '^[0-9a-z-]{1,32}$'),
    inner_pad bytea NOT NULL CHECK (octet_length(inner_pad) = 64),
    outer_pad bytea NOT NULL CHECK (octet_length(outer_pad) = 64),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE access.keys IS 'HMAC keys: "seal" is known to this schema alone, the others are shared with the server.';

CREATE FUNCTION access.new_key(new_key_id text, secret bytea) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    padded bytea := CASE WHEN octet_length(secret) > 64 THEN sha256(secret) ELSE secret END;
    inner_pad bytea;
    outer_pad bytea;
BEGIN
    padded := padded || decode(repeat('00', 64 - octet_length(padded)), 'hex');
    inner_pad := padded;
    outer_pad := padded;
    FOR i IN 0..63 LOOP
        inner_pad := set_byte(inner_pad, i, get_byte(padded, i) # 54);   -- 0x36
        outer_pad := set_byte(outer_pad, i, get_byte(padded, i) # 92);   -- 0x5c
    END LOOP;
    INSERT INTO access.keys (key_id, inner_pad, outer_pad) VALUES (new_key_id, inner_pad, outer_pad);
END
$$;

-- Each uuid brings 122 bits from the server's strong generator.
SELECT access.new_key('seal', sha256(convert_to(concat(gen_random_uuid(), gen_random_uuid(), gen_random_uuid()), 'UTF8')));

-- Not SECURITY DEFINER, and nobody's to execute: a signing oracle would undo everything here.
CREATE FUNCTION access.sign(signing_key_id text, message text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT encode(sha256(outer_pad || sha256(inner_pad || convert_to(message, 'UTF8'))), 'hex')
    FROM access.keys
    WHERE key_id = signing_key_id
$$;

-- The parts of a context that only this backend, in only this transaction, can hold.
CREATE FUNCTION access.this_transaction() RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_backend_pid() || '|' || (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint
$$;

-- Who asks, in this transaction? Raises unless the server's token is genuine, fresh and of an active principal.
CREATE FUNCTION access.seal_context(token text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part text[] := string_to_array(token, '|');
    asking access.principals;
    stores uuid[];
    body text;
BEGIN
    IF coalesce(array_length(part, 1), 0) <> 4 OR part[1] = 'seal' THEN
        RAISE EXCEPTION 'the context token is malformed' USING ERRCODE = '28000';
    END IF;
    IF NOT EXISTS (SELECT FROM access.keys WHERE key_id = part[1]) THEN
        RAISE EXCEPTION 'the context token is signed with an unknown key' USING ERRCODE = 'ZV002';  -- the server reads its file anew
    END IF;
    IF access.sign(part[1], part[1] || '|' || part[2] || '|' || part[3]) IS DISTINCT FROM part[4] THEN
        RAISE EXCEPTION 'the context token is not genuine' USING ERRCODE = '28000';
    END IF;
    IF part[3]::bigint < extract(epoch FROM clock_timestamp()) THEN
        RAISE EXCEPTION 'the context token has expired' USING ERRCODE = '28000',
            HINT = 'The clocks of server and database may differ.';
    END IF;
    IF coalesce(current_setting('zava.context', true), '') <> '' THEN
        RAISE EXCEPTION 'this transaction has a context already' USING ERRCODE = '28000';
    END IF;

    SELECT * INTO asking FROM access.principals WHERE principal_id = part[2]::uuid AND NOT disabled;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'nobody active goes by this name' USING ERRCODE = 'ZV001';  -- the one refusal that is the caller's
    END IF;
    IF asking.role = 'head_office' THEN
        stores := ARRAY(SELECT store_id FROM retail.stores ORDER BY store_id);
    ELSE
        stores := ARRAY(SELECT store_id FROM access.principal_stores WHERE principal_id = asking.principal_id ORDER BY store_id);
    END IF;
    body := concat_ws(
        '|',
        asking.principal_id,
        asking.role,
        stores,
        ARRAY(SELECT grant_name FROM access.principal_grants WHERE principal_id = asking.principal_id ORDER BY grant_name),
        access.this_transaction()
    );
    PERFORM set_config('zava.context', body || '|' || access.sign('seal', body), true);
END
$$;

-- The verified fields of this transaction's context: principal, role, stores, grants. A missing context raises.
CREATE FUNCTION access.context() RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    sealed text := coalesce(current_setting('zava.context', true), '');
    body text := regexp_replace(sealed, '\|[^|]*$', '');
BEGIN
    IF sealed = '' THEN
        RAISE EXCEPTION 'nobody is asking: this transaction has no context' USING ERRCODE = '28000';
    END IF;
    IF access.sign('seal', body) IS DISTINCT FROM substr(sealed, length(body) + 2)
        OR right(body, length(access.this_transaction()) + 1) <> '|' || access.this_transaction()
    THEN
        RAISE EXCEPTION 'the context is forged or of another transaction' USING ERRCODE = '28000';
    END IF;
    RETURN (string_to_array(body, '|'))[1:4];
END
$$;

-- The stores of who asks. Policies call it as (SELECT access.my_stores()): once a statement, and an index can use it.
-- PARALLEL RESTRICTED matters: a policy with an UNSAFE function forbids parallel plans altogether.
CREATE FUNCTION access.my_stores() RETURNS uuid[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN RETURN (access.context())[3]::uuid[]; END $$;

CREATE FUNCTION access.sees_all_stores() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN RETURN (access.context())[2] = 'head_office'; END $$;

CREATE FUNCTION access.has_grant(wanted text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN RETURN wanted = ANY ((access.context())[4]::text[]); END $$;

-- Which schema is this, and what is the oldest server it serves? The server asks before it opens its doors.
CREATE FUNCTION access.schema_version() RETURNS TABLE (series text, version integer, oldest_server text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT m.series, m.version, m.oldest_server FROM access.migrations AS m $$;

GRANT EXECUTE ON FUNCTION access.my_stores(), access.sees_all_stores(), access.has_grant(text)
TO zava_access, zava_owner, zava_reader, zava_sandbox;
GRANT EXECUTE ON FUNCTION access.seal_context(text), access.schema_version() TO zava_app;
