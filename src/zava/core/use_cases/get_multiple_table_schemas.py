"""Which tables are there, and what is in them?"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from zava.core.errors import NotFoundError, ValidationError
from zava.core.model import Principal, TableSchema
from zava.core.ports import SchemaCatalog

MOST_TABLES = 20
SCHEMA_PREFIX = "retail."


@dataclass(frozen=True)
class GetMultipleTableSchemas:
    """Decides which of the wanted tables may be shown, and helps with names that are nearly right."""

    catalog: SchemaCatalog

    async def __call__(self, principal: Principal, table_names: Sequence[str]) -> tuple[TableSchema, ...]:
        """The tables in the order asked for, each once.

        Raises:
            ValidationError: no name, or more than MOST_TABLES.
            NotFoundError: a table that questions cannot use, whether it exists or not.
        """
        if not 0 < len(table_names) <= MOST_TABLES:
            raise ValidationError("table_names", len(table_names), f"name 1 to {MOST_TABLES} tables")
        tables = {table.name: table for table in await self.catalog.tables(principal)}
        wanted = dict.fromkeys(name.strip().lower().removeprefix(SCHEMA_PREFIX) for name in table_names)
        for name in wanted:
            if name not in tables:
                raise NotFoundError(_unknown(name, sorted(tables)))
        return tuple(tables[name] for name in wanted)


def _unknown(name: str, known: Sequence[str]) -> str:
    nearest = get_close_matches(name[:100], known, n=1)
    suggestion = f" Did you mean {nearest[0]}?" if nearest else ""
    return f"There is no table {name[:100]!r}.{suggestion} The tables are: {', '.join(known)}."
