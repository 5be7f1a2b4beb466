"""What is another on a Citus cluster: the texts of questions, what is offered, and what settings it takes."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from zava.adapters.postgres.access import DatabaseAccess
from zava.adapters.postgres.citus import OnCitus
from zava.container import new_container
from zava.settings import CacheSettings, ComparisonSettings, DatabaseSettings, SandboxSettings, Settings


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        (
            "FROM retail.orders AS sale",
            "FROM (SELECT * FROM retail.orders WHERE store_id = ANY (%(stores_of_asking)s::uuid[])) AS sale",
        ),
        (
            "FROM retail.sales_by_category_and_month\nWHERE true",
            (
                "FROM (SELECT * FROM retail.sales_by_category_and_month "
                "WHERE store_id = ANY (%(stores_of_asking)s::uuid[])) AS sales_by_category_and_month\nWHERE true"
            ),
        ),
        # Whole on every machine.
        ("SELECT 1 FROM retail.stores AS store", "SELECT 1 FROM retail.stores AS store"),
        ("SELECT retail.product_card(1)", "SELECT retail.product_card(1)"),
    ],
)
def test_a_question_names_the_stores_whose_rows_it_wants(query: str, sent: str) -> None:
    assert OnCitus().text_of(query, {"stores_of_asking": "{a}"}) == sent


@pytest.mark.parametrize(
    ("stores", "sent"),
    [
        ("{}", "(SELECT 1 OFFSET 0) OFFSET %(few)s"),
        ("{a}", "(SELECT 1 OFFSET 0) OFFSET %(few)s"),
        ("{a,b}", "(SELECT 1 ) OFFSET %(few)s"),
    ],
)
def test_the_planner_is_let_loose_where_citus_has_to_divide(stores: str, sent: str) -> None:
    assert OnCitus().text_of("(SELECT 1 OFFSET 0) OFFSET %(few)s", {"stores_of_asking": stores}) == sent


def settings(*, sandbox: bool = False, quartiles: bool = False, cache: bool = False) -> Settings:
    return Settings(
        database=DatabaseSettings(citus=True),
        sandbox=SandboxSettings(enabled=sandbox),
        comparison=ComparisonSettings(quartiles=quartiles),
        cache=CacheSettings(enabled=cache),
    )


def test_what_cannot_be_right_there_is_refused_on_a_cluster_with_a_reason() -> None:
    with pytest.raises(ValidationError, match=r"needs ZAVA_SANDBOX__ENABLED=false: .* end a Citus coordinator"):
        settings(sandbox=True)
    with pytest.raises(ValidationError, match=r"needs ZAVA_COMPARISON__QUARTILES=false: .* cannot compare"):
        settings(quartiles=True)
    with pytest.raises(ValidationError, match=r"needs ZAVA_CACHE__ENABLED=false: .* no longer true"):
        settings(cache=True)


def test_a_cluster_offers_what_it_can_answer(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"a key of the tests, known to everybody")
    key.chmod(0o600)
    access = DatabaseAccess("host=nowhere.invalid", key)
    everywhere = {spec.name for spec in new_container(Settings(), access).tools().specs()}
    offered = {spec.name for spec in new_container(settings(), access).tool_specs()}
    assert everywhere - offered == {"execute_sales_query", "semantic_search_products", "find_related_products"}
    assert {"get_store_performance", "analyze_sales", "check_inventory", "find_order"} <= offered
