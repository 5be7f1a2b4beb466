"""Foreign keys and secondary indexes, laid aside while a new shop is filled.

One pass at the end takes half the time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

_TABLES = ["retail.customer_records", "retail.orders", "retail.order_items", "retail.returns"]

_DEFINITIONS = """
SELECT
    format('DROP INDEX %%s', i.indexrelid::regclass),
    pg_get_indexdef(i.indexrelid)
FROM pg_index AS i
WHERE i.indrelid = ANY (%(tables)s::regclass[]) AND NOT i.indisunique
UNION ALL
SELECT
    format('ALTER TABLE %%s DROP CONSTRAINT %%I', c.conrelid::regclass, c.conname),
    format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
FROM pg_constraint AS c
WHERE c.conrelid = ANY (%(tables)s::regclass[]) AND c.contype = 'f'
ORDER BY 1 DESC
"""


@contextmanager
def checks_postponed(cursor: psycopg.Cursor[Any]) -> Iterator[None]:
    """As zava_owner, in a transaction: what fails inside brings everything back by its end."""
    definitions = cursor.execute(_DEFINITIONS, {"tables": _TABLES}).fetchall()
    for drop, _ in definitions:
        cursor.execute(drop.encode())
    yield
    for _, create in definitions:
        cursor.execute(create.encode())
