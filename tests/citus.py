"""A stand-in for Citus: its functions, which write down what they are asked, and refuse what it is known to refuse."""

from typing import Any, LiteralString

import psycopg

# A session says by a setting whether it is the coordinator's, or a worker's.
STAND_IN: LiteralString = """
SET LOCAL allow_system_table_mods = on;
CREATE SCHEMA stand_in;
CREATE TABLE stand_in.workers (name text);
CREATE TABLE stand_in.placed (relation regclass PRIMARY KEY, how text, beside regclass);
CREATE TABLE stand_in.functions (function regprocedure PRIMARY KEY);

CREATE FUNCTION pg_catalog.citus_get_active_worker_nodes(OUT node_name text, OUT node_port bigint) RETURNS SETOF record
LANGUAGE sql SECURITY DEFINER AS $$ SELECT name, 5432 FROM stand_in.workers $$;

CREATE FUNCTION pg_catalog.citus_is_coordinator() RETURNS boolean
LANGUAGE sql AS $$ SELECT current_setting('stand_in.node', true) IS DISTINCT FROM 'worker' $$;

CREATE FUNCTION stand_in.check_table(relation regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = relation AND NOT tgisinternal) THEN
        RAISE EXCEPTION '% has triggers', relation;
    END IF;
    IF EXISTS (
        SELECT FROM pg_policy
        WHERE polrelid = relation
            AND concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) ~* 'select'
    ) THEN
        RAISE EXCEPTION 'Subqueries are not supported in policies on distributed tables: %', relation
            USING ERRCODE = '0A000';
    END IF;
    IF EXISTS (
        SELECT FROM pg_constraint
        WHERE conrelid = relation AND contype = 'f' AND confrelid NOT IN (SELECT placed.relation FROM stand_in.placed)
    ) THEN
        RAISE EXCEPTION '% refers to a table of one machine', relation;
    END IF;
END
$$;

CREATE FUNCTION pg_catalog.create_reference_table(table_name regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM stand_in.check_table(table_name);
    IF EXISTS (
        SELECT FROM pg_constraint
        INNER JOIN stand_in.placed ON placed.relation = confrelid AND how = 'distributed'
        WHERE conrelid = table_name
    ) THEN
        RAISE EXCEPTION '% refers to a distributed table', table_name;
    END IF;
    INSERT INTO stand_in.placed VALUES (table_name, 'reference');
END
$$;

CREATE FUNCTION pg_catalog.create_distributed_table(
    table_name regclass, distribution_column text, distribution_type text DEFAULT 'hash',
    colocate_with text DEFAULT 'default', shard_count integer DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    number smallint := (
        SELECT attnum FROM pg_attribute WHERE attrelid = table_name AND attname = distribution_column
    );
BEGIN
    PERFORM stand_in.check_table(table_name);
    IF EXISTS (
        SELECT FROM pg_constraint
        LEFT JOIN stand_in.placed ON placed.relation = confrelid
        WHERE conrelid = table_name
            AND (
                (contype IN ('p', 'u') AND number <> ALL (conkey))
                -- Between two distributed tables the column must stand at the same place, and must not follow changes.
                OR (contype = 'f' AND how = 'distributed' AND (
                    array_position(conkey, number) IS DISTINCT FROM array_position(confkey, (
                        SELECT attnum FROM pg_attribute WHERE attrelid = confrelid AND attname = distribution_column
                    ))
                    OR confupdtype <> 'a'
                ))
            )
    ) THEN
        RAISE EXCEPTION '% has a key that cannot be kept on several machines', table_name USING ERRCODE = '0A000';
    END IF;
    INSERT INTO stand_in.placed VALUES (table_name, 'distributed', nullif(colocate_with, 'none')::regclass);
END
$$;

CREATE FUNCTION pg_catalog.create_distributed_function(function_name regprocedure) RETURNS void
LANGUAGE sql AS $$ INSERT INTO stand_in.functions VALUES (function_name) $$;

INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
VALUES (99999, 'citus', 10, 'pg_catalog'::regnamespace, false, '13.2');
"""


def stand_in_for_citus(connection: psycopg.Connection[Any], *, workers: int = 2) -> None:
    """Makes a database look like the coordinator of a cluster.

    Args:
        connection: a superuser's.
        workers: of the cluster.
    """
    with connection.transaction():
        connection.execute(STAND_IN)
    add_workers(connection, workers)


def add_workers(connection: psycopg.Connection[Any], workers: int) -> None:
    connection.execute(
        "INSERT INTO stand_in.workers SELECT 'worker ' || number FROM generate_series(1, %s) AS number", [workers]
    )
