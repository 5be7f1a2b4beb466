-- Who is known by a name of the identity provider or by an API token, which tools are theirs, and what groups are given.
-- oldest-server: 0.1.0
--
-- The server's login asks two functions, and reads no table. Whoever is disabled is answered as a stranger is, and so is
-- a token that was revoked or has expired: the one thing to be learned by guessing is yes or no.
SET LOCAL ROLE zava_access;

ALTER TABLE access.principals
ADD COLUMN scopes text[] NOT NULL DEFAULT ARRAY['products:read', 'sales:query', 'sales:read']
CONSTRAINT known_scopes CHECK (scopes <@ ARRAY['products:read', 'sales:query', 'sales:read']);
COMMENT ON COLUMN access.principals.scopes IS 'The tools they may use; audit:read is a grant, and counts as one too.';

CREATE TABLE access.tokens (
    token_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    principal_id uuid NOT NULL REFERENCES access.principals ON DELETE CASCADE,
    name text NOT NULL CHECK (char_length(name) <= 100),
    sha256 bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    last_four text NOT NULL CHECK (char_length(last_four) = 4),
    scopes text[] CHECK (scopes <@ ARRAY['audit:read', 'products:read', 'sales:query', 'sales:read']),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CHECK (expires_at > created_at)
);
CREATE INDEX tokens_by_principal ON access.tokens (principal_id);
COMMENT ON TABLE access.tokens IS 'API tokens of machines. The tokens themselves are kept nowhere.';
COMMENT ON COLUMN access.tokens.token_id IS 'What people call it by.';
COMMENT ON COLUMN access.tokens.name IS 'What it is for.';
COMMENT ON COLUMN access.tokens.sha256 IS 'Of the token. It holds 256 random bits, so that a plain hash cannot be guessed from.';
COMMENT ON COLUMN access.tokens.last_four IS 'Its last characters, by which people tell it from others.';
COMMENT ON COLUMN access.tokens.scopes IS 'Those of the principal that it may use; null for all of them.';

-- Nobody's to execute but the two below.
CREATE FUNCTION access.scopes_of(known access.principals) RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT known.scopes || ARRAY(
        SELECT held.grant_name
        FROM access.principal_grants AS held
        WHERE held.principal_id = known.principal_id AND held.grant_name = 'audit:read'
    )
$$;

CREATE FUNCTION access.principal_by_subject(wanted text)
RETURNS TABLE (principal_id uuid, name text, scopes text[])
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT known.principal_id, known.name, access.scopes_of(known)
    FROM access.principals AS known
    WHERE known.subject = wanted AND NOT known.disabled
$$;

-- The server sends the hash: the token itself never comes here.
CREATE FUNCTION access.principal_by_token(wanted bytea)
RETURNS TABLE (principal_id uuid, name text, scopes text[])
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        known.principal_id,
        known.name,
        ARRAY(
            SELECT scope
            FROM unnest(access.scopes_of(known)) AS scope
            WHERE token.scopes IS NULL OR scope = ANY (token.scopes)
        )
    FROM access.tokens AS token
    INNER JOIN access.principals AS known ON token.principal_id = known.principal_id
    WHERE token.sha256 = wanted
        AND token.revoked_at IS NULL
        AND token.expires_at > clock_timestamp()
        AND NOT known.disabled
$$;

GRANT EXECUTE ON FUNCTION access.principal_by_subject(text), access.principal_by_token(bytea) TO zava_app;

-- What an identity provider's groups are given. Who is entered by name is not looked for here.
CREATE TABLE access.group_roles (
    group_name text PRIMARY KEY CHECK (char_length(group_name) BETWEEN 1 AND 255),
    role text NOT NULL CHECK (role IN ('store_manager', 'regional_manager', 'head_office')),
    scopes text[] NOT NULL CHECK (scopes <@ ARRAY['products:read', 'sales:query', 'sales:read']),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE access.group_roles IS 'What the members of a group of the identity provider are, and which tools are theirs.';
COMMENT ON COLUMN access.group_roles.group_name IS 'What the identity provider calls the group in its tokens.';

CREATE TABLE access.group_stores (
    group_name text NOT NULL REFERENCES access.group_roles ON DELETE CASCADE,
    store_id uuid NOT NULL,
    PRIMARY KEY (group_name, store_id)
);
COMMENT ON TABLE access.group_stores IS 'The stores that the members of a group see. A store that is gone is simply never matched.';

-- The widest role of these groups, and the stores and scopes of all of them; no row when none of them is known.
CREATE FUNCTION access.role_of_groups(wanted text[])
RETURNS TABLE (role text, stores uuid[], scopes text[])
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH given AS (
        SELECT g.group_name, g.role, g.scopes FROM access.group_roles AS g WHERE g.group_name = ANY (wanted)
    ),
    seen AS (
        SELECT ARRAY(
            SELECT DISTINCT s.store_id
            FROM access.group_stores AS s
            INNER JOIN given ON s.group_name = given.group_name
            ORDER BY s.store_id
        ) AS stores
    )
    SELECT
        CASE
            WHEN bool_or(given.role = 'head_office') THEN 'head_office'
            WHEN bool_or(given.role = 'regional_manager') OR cardinality(seen.stores) > 1 THEN 'regional_manager'
            ELSE 'store_manager'
        END,
        seen.stores,
        ARRAY(SELECT DISTINCT scope FROM given AS g CROSS JOIN unnest(g.scopes) AS scope ORDER BY scope)
    FROM given
    CROSS JOIN seen
    GROUP BY seen.stores
$$;
