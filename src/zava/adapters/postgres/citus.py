"""Sessions on a Citus cluster, where parts of a question run on other machines."""

import re
from collections.abc import Mapping
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from zava.adapters.postgres.exchange import Exchange, last_value
from zava.adapters.postgres.sessions import BEGIN, Opening

SEAL: LiteralString = "SELECT access.seal_context(%(token)s)"
SEALED: LiteralString = "SELECT current_setting('zava.context')"
# The coordinator speaks to its workers as whoever asks it then.
BECOME_READER: LiteralString = "SELECT set_config('role', 'zava_reader', true)"

# Those that schema/citus distributes, and the view of one of them.
DISTRIBUTED = (
    "customers",
    "inventory",
    "orders",
    "order_items",
    "returns",
    "store_targets",
    "product_availability",
    "sales_changes",
    "sales_by_day",
    "sales_by_category",
    "sales_by_category_and_month",
    "sales_by_product",
)
TABLE = re.compile(rf"\bretail\.({'|'.join(DISTRIBUTED)})\b(?:\s+AS\s+(\w+))?")


class OnCitus(Opening):
    """Seals the context on the coordinator, and tells it to the workers.

    Citus repeats SET LOCAL on each worker that has a part in the transaction, word for word; set_config() it does not
    repeat. So what was sealed comes here and goes back as a literal, in a round trip more.
    """

    async def open(
        self, connection: psycopg.AsyncConnection[Any], token: str, milliseconds: str
    ) -> tuple[Exchange, Mapping[str, object]]:
        sealing = Exchange(connection)
        sealing.ask(BEGIN, {})
        sealing.ask(SEAL, {"token": token})
        sealing.ask(SEALED, {})
        sealed = last_value((await sealing.send())[-1])
        exchange = Exchange(connection)
        for setting, value in (("zava.context", sealed), ("statement_timeout", milliseconds)):
            command = sql.SQL("SET LOCAL {} = {}").format(sql.SQL(setting), sql.Literal(value))
            exchange.execute_once(command.as_string(connection))
        exchange.ask(BECOME_READER, {})
        _principal, _role, stores, *_ = sealed.split("|")
        return exchange, {"stores_of_asking": stores}

    def text_of(self, query: LiteralString, further: Mapping[str, object]) -> LiteralString:
        """The query of the principal's own stores, by name.

        Row security decides what is there, and Citus does not look into it: without the list it would ask every
        machine. Whose stores lie together on one has the whole question answered by it, whatever the question's form.
        OFFSET 0 only keeps PostgreSQL's planner from another order. Where there are several stores it goes, since Citus
        would not divide such a sub-query.
        """
        has_several = "," in str(further["stores_of_asking"])
        return TABLE.sub(_own_rows, query.replace("OFFSET 0", "") if has_several else query)


def _own_rows(found: re.Match[str]) -> str:
    table, alias = found.groups()
    return (
        f"(SELECT * FROM retail.{table} WHERE store_id = ANY (%(stores_of_asking)s::uuid[])) "  # noqa: S608 - of the list
        f"AS {alias or table}"
    )
