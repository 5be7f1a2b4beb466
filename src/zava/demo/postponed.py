"""Keys and indexes, laid aside while a new shop is filled.

One pass at the end takes half the time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

_TABLES = ["retail.customer_records", "retail.orders", "retail.order_items", "retail.returns"]
# Of the others keys are asked for meanwhile.
_WITHOUT_KEYS = ["retail.orders", "retail.order_items"]

# In the order in which they can be made.
_DEFINITIONS = """
SELECT
    1 AS place,
    format('ALTER TABLE %%s DROP CONSTRAINT %%I', c.conrelid::regclass, c.conname),
    format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
FROM pg_constraint AS c
WHERE c.conrelid = ANY (%(without_keys)s::regclass[]) AND c.contype IN ('p', 'u')
UNION ALL
SELECT
    2,
    format('DROP INDEX %%s', i.indexrelid::regclass),
    pg_get_indexdef(i.indexrelid)
FROM pg_index AS i
WHERE i.indrelid = ANY (%(tables)s::regclass[]) AND NOT i.indisunique
UNION ALL
SELECT
    3,
    format('ALTER TABLE %%s DROP CONSTRAINT %%I', c.conrelid::regclass, c.conname),
    format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
FROM pg_constraint AS c
WHERE c.conrelid = ANY (%(tables)s::regclass[]) AND c.contype = 'f'
ORDER BY place
"""


@contextmanager
def checks_postponed(cursor: psycopg.Cursor[Any]) -> Iterator[None]:
    """As zava_owner, in a transaction: what fails inside brings everything back by its end."""
    definitions = cursor.execute(_DEFINITIONS, {"tables": _TABLES, "without_keys": _WITHOUT_KEYS}).fetchall()
    for _, drop, _ in reversed(definitions):
        cursor.execute(drop.encode())
    yield
    for _, _, create in definitions:
        cursor.execute(create.encode())
