"""What free SQL may read of the shop: the vocabulary of the random queries."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import psycopg

Kind: TypeAlias = Literal["uuid", "integer", "numeric", "text", "date", "timestamptz", "boolean"]
Columns: TypeAlias = Mapping[str, Kind]


@dataclass(frozen=True)
class Table:
    """A table or view of the shop.

    Attributes:
        key: columns that no two rows share.
        columns: those of a kind that queries are written of.
    """

    key: tuple[str, ...]
    columns: Columns


def read_tables(connection: psycopg.Connection[Any]) -> dict[str, Table]:
    """As an administrator."""
    rows = connection.execute(
        """
        SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attnum = ANY (k.conkey)),
            jsonb_object_agg(a.attname, t.kind) FILTER (WHERE t.kind IS NOT NULL)
        FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND has_column_privilege('zava_sandbox', c.oid, a.attnum, 'SELECT')
        -- A view has the key of the table behind it.
        JOIN pg_constraint AS k ON k.contype = 'p'
            AND k.conrelid = CASE c.relname WHEN 'customers' THEN 'retail.customer_records'::regclass ELSE c.oid END
        LEFT JOIN (VALUES
            ('uuid', 'uuid'), ('int2', 'integer'), ('int4', 'integer'), ('int8', 'integer'), ('numeric', 'numeric'),
            ('text', 'text'), ('date', 'date'), ('timestamptz', 'timestamptz'), ('bool', 'boolean')
        ) AS t (name, kind) ON t.name::regtype = a.atttypid
        WHERE c.relnamespace = 'retail'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
        GROUP BY c.oid
        ORDER BY c.relname
        """
    ).fetchall()
    return {name: Table(tuple(key), columns) for name, key, columns in rows}
