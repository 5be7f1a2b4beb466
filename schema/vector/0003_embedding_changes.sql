-- What products mean is part of answers: whoever changes it leaves a mark.
-- oldest-server: 0.1.0
SET LOCAL ROLE zava_owner;

DO $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY['product_description_embeddings', 'embedding_models'] LOOP
        EXECUTE format(
            'CREATE TRIGGER mark_data AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON retail.%I '
            'FOR EACH STATEMENT EXECUTE FUNCTION access.mark_change(''data'')',
            table_name
        );
        EXECUTE format('ALTER TABLE retail.%I ENABLE ALWAYS TRIGGER mark_data', table_name);
    END LOOP;
END
$$;
