"""What is shown of a plan: how rows are found, and nothing of what a query says or a row holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zava.adapters.postgres.plans import without_values

PLAN = """\
Limit  (cost=2.66..2.67 rows=1 width=40)
  InitPlan 1
    ->  Result  (cost=0.00..0.26 rows=1 width=16)
  ->  Gather  (cost=0.15..2.38 rows=1 width=40)
        Workers Planned: 2
        ->  Index Scan using orders_by_date on orders o_1  (cost=0.15..2.37 rows=1 width=32)
              Index Cond: ((store_id = (InitPlan 1).col1) AND (order_date > {day}::date))
              Filter: ((status = {text}::text) AND (total_amount > {number}) AND (hashed SubPlan 2) AND (id = $0))
"""
REAL = PLAN.format(day="'2026-01-01'", text="'Canary''s \"paid\"\nlines'", number="1234.5")


def test_values_of_conditions_are_hidden_and_costs_stay() -> None:
    assert without_values(REAL) == PLAN.format(day="'?'", text="'?'", number="?")


def test_nothing_comes_to_light_wherever_a_plan_is_cut_short() -> None:
    named = REAL.replace("orders o_1", 'orders "Canary""s"')
    for length in range(len(named)):
        shown = without_values(named[:length])
        assert "Can" not in shown
        assert "2026" not in shown
        assert "paid" not in shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('Seq Scan on orders "Jane Doe"', 'Seq Scan on orders "?"'),
        ("Filter: (\"it's\".name <> 'Jane'::text)", "Filter: (\"?\".name <> '?'::text)"),
        ("Filter: (name <> 'a\"b'::text AND \"c'd\" = 'e')", "Filter: (name <> '?'::text AND \"?\" = '?')"),
        ('Values Scan on "*VALUES*"', 'Values Scan on "*VALUES*"'),
        ('Subquery Scan on "*SELECT* 1"', 'Subquery Scan on "*SELECT* 1"'),
        ('Filter: ("order".int4 > 5)', 'Filter: ("order".int4 > ?)'),
        ("Order By: (embedding <=> '[0.1,0.2]'::vector)", "Order By: (embedding <=> '?'::vector)"),
        ("Filter: (x = ANY ('{1,2}'::integer[]) OR y < -3.5e10)", "Filter: (x = ANY ('?'::integer[]) OR y < -?)"),
        ("Sort Key: ((2026 - year)), order_items_1.line_no", "Sort Key: ((? - year)), order_items_1.line_no"),
    ],
)
def test_names_of_the_shop_stay_and_others_are_hidden(line: str, shown: str) -> None:
    assert without_values(line) == shown


@given(st.lists(st.tuples(st.sampled_from("'\""), st.text("ab'\"\n(=).1 -$", max_size=8)), max_size=6))
def test_no_quote_in_a_name_or_a_text_brings_a_value_to_light(parts: list[tuple[str, str]]) -> None:
    """Each is quoted as PostgreSQL quotes, with a canary in its middle."""
    inner = [(quote, f"{text}Canary{text}".replace(quote, quote * 2)) for quote, text in parts]
    plan = " = ".join(f"{quote}{text}{quote}" for quote, text in inner)
    assert "Canary" not in without_values(f"Filter: ({plan})  (cost=0.00..1.00 rows=1 width=4)")
