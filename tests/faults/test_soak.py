"""Thousands of calls, after which the server holds no more than before: SOAK=1000 for fewer."""

import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Database, Serve
from tests.faults.load import Asker

CALLS = int(os.environ.get("SOAK", "10000"))
AT_ONCE = 6
QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("get_store_performance", {"period": "last_month"}),
    ("analyze_sales", {"metrics": ["revenue"], "period": "last_year", "group_by": ["month", "category"]}),
    ("check_inventory", {}),
    ("semantic_search_products", {"query_description": "paint for a fence"}),
    ("find_order", {"order_number": 7}),
    ("execute_sales_query", {"postgresql_query": "SELECT status, count(*) FROM retail.orders GROUP BY status"}),
    ("execute_sales_query", {"postgresql_query": "SELECT nonsense FROM retail.orders"}),
    ("get_current_utc_date", {}),
    ("get_store_performance", {"period": "never"}),
)
# Of these the answer is an error, every time.
REFUSED = {"INVALID_QUERY", "VALIDATION_ERROR"}


@dataclass(frozen=True)
class Held:
    """What the server holds."""

    mebibytes: float
    files: int
    threads: int
    connections: int

    @classmethod
    def of(cls, pid: int, database: Database) -> "Held":
        process = Path(f"/proc/{pid}")
        pages = int((process / "statm").read_text(encoding="ascii").split()[1])
        return cls(
            pages * os.sysconf("SC_PAGE_SIZE") / 1024**2,
            len(list((process / "fd").iterdir())),
            len(list((process / "task").iterdir())),
            database.connections(),
        )


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_after_thousands_of_calls_a_server_holds_no_more_than_before(serve: Serve, database: Database) -> None:
    served = serve()
    tokens = list(served.right)
    askers = threading.local()
    made: list[Asker] = []
    codes: Counter[str] = Counter()

    def ask(number: int) -> None:
        if not hasattr(askers, "mine"):
            askers.mine = {token: Asker(served.url, token) for token in tokens}
            made.extend(askers.mine.values())
        result = askers.mine[tokens[number % len(tokens)]].ask(*QUESTIONS[number % len(QUESTIONS)])
        codes[result["_meta"]["zava/error"]["code"] if result.get("isError") else "answered"] += 1

    held = []
    with ThreadPoolExecutor(AT_ONCE) as executor:
        for part in range(10):
            list(executor.map(ask, range(part * CALLS // 10, (part + 1) * CALLS // 10)))
            held.append(Held.of(served.server.process.pid, database))
            print(held[-1])
    for asker in made:
        asker.close()
    assert set(codes) <= {"answered", "NOT_FOUND", *REFUSED}, codes
    # After the first three parts everything has been loaded, and every cache is as full as it gets.
    warm, last = held[2], held[-1]
    assert last.mebibytes < warm.mebibytes * 1.05 + 5, held
    assert last.files <= warm.files + 5, held
    assert last.threads <= warm.threads + 2, held
    # Two pools of ten and eight, and nobody else.
    assert max(one.connections for one in held) <= 18, held
    print(codes)
