-- pgvector, where the server has it. Without it products are found by words alone.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') THEN
        RETURN;
    END IF;
    CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;
    GRANT USAGE ON SCHEMA public TO zava_owner, zava_reader, zava_sandbox, zava_app;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'only a superuser may create the extension vector here: left out';
END
$$;
