"""Random SELECTs over the shop, of every shape that analysts write, and each with one right answer as a bag of rows."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.isolation.random_expressions import ExpressionWriter
from tests.isolation.random_sources import LITERALS, Scope, Source, links, total_order
from tests.isolation.readable_tables import Kind, Table

SMALL_TABLES = ("stores", "business_settings", "categories")
MONTHS = (
    "SELECT date '2025-11-01' AS c1 UNION ALL"
    " SELECT (c1 + interval '1 month')::date FROM {} WHERE c1 < date '2026-03-01'"
)


@dataclass(frozen=True)
class Select:
    """A part of a query, or the name of one. Its columns are named c1, c2, …"""

    text: str
    kinds: Sequence[Kind]

    def source(self, alias: str) -> Source:
        return Source(alias, {f"c{number}": kind for number, kind in enumerate(self.kinds, start=1)})


def random_selects(seed: str, tables: Mapping[str, Table], *, strict: bool) -> Iterator[str]:
    """Queries without end, the same for the same seed; some of strict ones raise errors for rows of sloppy stores."""
    chance = random.Random(seed)  # noqa: S311 - chance, not secrets
    while True:
        yield SelectWriter(chance, tables, strict=strict).query()


class SelectWriter(ExpressionWriter):
    """Writes one query by chance."""

    def __init__(self, chance: random.Random, tables: Mapping[str, Table], *, strict: bool) -> None:
        super().__init__(chance, tables, strict=strict)
        self._named: list[Select] = []

    def query(self) -> str:
        if self.maybe(0.06):
            return self._star()
        if self.maybe(0.18):
            return self._with()
        return self._select(2).text

    def _select(self, depth: int, kinds: Sequence[Kind] | None = None) -> Select:
        shapes = [self._rows, self._grouped, self._grouped, self._totals, self._windows]
        if depth:
            shapes.append(self._set_operation)
        return self.chance.choice(shapes)(depth, kinds)

    # What queries read.

    def _from(self, depth: int) -> tuple[str, Scope]:
        text, source = self._source(depth)
        scope = [source]
        while len(scope) < 3 and self.maybe(0.5):
            joined, source = self._join(scope, depth)
            text += joined
            scope.append(source)
        return f" FROM {text}", scope

    def _source(self, depth: int) -> tuple[str, Source]:
        if self._named and self.maybe(0.5):
            alias, query = self.alias(), self.chance.choice(self._named)
            return f"{query.text} AS {alias}", query.source(alias)
        if depth and self.maybe(0.2):
            alias, query = self.alias(), self._select(depth - 1)
            return f"({query.text}) AS {alias}", query.source(alias)
        if self.maybe(0.04):
            return self._values()
        table = self.table()
        return self.reading(table), table

    def _values(self) -> tuple[str, Source]:
        alias, kinds = self.alias(), self._some_kinds([])
        rows = [[self.chance.choice(LITERALS[kind]) for kind in kinds], ["NULL"] * len(kinds)]
        source = Select("", kinds).source(alias)
        values = ", ".join(f"({', '.join(row)})" for row in rows)
        return f"(VALUES {values}) AS {alias} ({', '.join(source.columns)})", source

    def _join(self, scope: Scope, depth: int) -> tuple[str, Source]:
        if self.maybe(0.12):
            return self._lateral(scope)
        if self.maybe(0.06):
            table = self.table(*SMALL_TABLES)
            return f" CROSS JOIN {self.reading(table)}", table
        # Sources that have something in common are joined more often than others.
        for _ in range(4):
            text, source = self._source(depth)
            if links(scope, source):
                break
        kind = self.chance.choice(["JOIN", "JOIN", "INNER JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        condition = self._condition(scope, source)
        if kind != "FULL JOIN" and self.maybe(0.15):
            condition += f" AND {self.predicate([*scope, source], 1)}"
        return f" {kind} {text} ON {condition}", source

    def _condition(self, scope: Scope, source: Source) -> str:
        """Of a join: along all that it has in common with one of the sources, along a part of that, or across."""
        pairs = links([self.chance.choice(scope)], source) or links(scope, source)
        if not pairs or self.maybe(0.03):
            pairs = [self._pair_across(scope, source)]
        elif self.maybe(0.4):
            pairs = [self.chance.choice(pairs)]
        else:
            pairs = [pair for pair in pairs if pair[0].endswith(("_id", "line_no"))] or pairs
        return " AND ".join(f"{left} = {right}" for left, right in pairs)

    def _pair_across(self, scope: Scope, source: Source) -> tuple[str, str]:
        pairs = [
            (left, right)
            for kind in set(source.columns.values()) - {"boolean"}
            for outer in scope
            for left in outer.names(kind)
            for right in source.names(kind)
        ]
        return self.chance.choice(sorted(pairs)) if pairs else ("1", "1")

    def _lateral(self, scope: Scope) -> tuple[str, Source]:
        """A sub-query that sees the tables before it: sums, or the first few rows."""
        alias = self.alias()
        inner, pairs = self.linked(scope)
        read = f"FROM {self.reading(inner)} WHERE {self.correlation(scope, inner, pairs)}"
        kinds = self._some_kinds([inner])
        if self.maybe(0.5):
            query = f"SELECT {_named([self.aggregate([inner], kind, depth=0) for kind in kinds])} {read}"
        else:
            columns = _named([self.expression([inner, *scope], kind, 1) for kind in kinds])
            query = f"SELECT {columns} {read} ORDER BY {total_order([inner])} LIMIT 2"
        join = self.chance.choice([" CROSS JOIN LATERAL ({}) AS {}", " LEFT JOIN LATERAL ({}) AS {} ON true"])
        return join.format(query, alias), Select("", kinds).source(alias)

    def _some_kinds(self, scope: Scope) -> list[Kind]:
        return [self.kind(scope) for _ in range(self.chance.choice([1, 1, 2, 3]))]

    def _where(self, scope: Scope) -> str:
        return f" WHERE {self.predicate(scope)}" if self.maybe(0.45) else ""

    # What they make of it.

    def _star(self) -> str:
        text, scope = self._from(1)
        columns = self.chance.choice(["*", f"{scope[0].alias}.*"])
        order = total_order(scope)
        limit = f" ORDER BY {order} LIMIT {self.chance.choice([1, 7, 50])}" if order and self.maybe(0.5) else ""
        return f"SELECT {columns}{text}{self._where(scope)}{limit}"

    def _with(self) -> str:
        """One or two queries with names, and one that uses them."""
        queries = []
        for number in range(self.chance.choice([1, 1, 2])):
            name = f"w{number}"
            query = Select(MONTHS.format(name), ["date"]) if self.maybe(0.1) else self._select(1)
            materialized = self.chance.choice(["", "", "MATERIALIZED ", "NOT MATERIALIZED "])
            queries.append(f"{name} AS {materialized}({query.text})")
            self._named.append(Select(name, query.kinds))
        return f"WITH RECURSIVE {', '.join(queries)} {self._select(1).text}"

    def _rows(self, depth: int, kinds: Sequence[Kind] | None) -> Select:
        text, scope = self._from(depth)
        kinds = kinds or self._some_kinds(scope)
        columns = _named([self.expression(scope, kind) for kind in kinds])
        order = total_order(scope)
        if order and self.maybe(0.08):
            first = order.split(",")[0]
            return Select(
                f"SELECT DISTINCT ON ({first}) {columns}{text}{self._where(scope)} ORDER BY {first}, {order}", kinds
            )
        distinct = self.chance.choice(["DISTINCT ", "", ""])
        limit = self._limit(kinds) if self.maybe(0.3) else ""
        return Select(f"SELECT {distinct}{columns}{text}{self._where(scope)}{limit}", kinds)

    def _limit(self, kinds: Sequence[Kind]) -> str:
        """The first rows, by all their columns, so that rows on a level are the same."""
        order = ", ".join(f"{number}{self.chance.choice(['', ' DESC'])}" for number, _ in enumerate(kinds, start=1))
        return f" ORDER BY {order} LIMIT {self.chance.choice([1, 3, 10, 40])}{self.chance.choice(['', ' OFFSET 2'])}"

    def _grouped(self, depth: int, kinds: Sequence[Kind] | None) -> Select:
        text, scope = self._from(depth)
        kinds = kinds or [*self._some_kinds(scope), *self._some_kinds(scope)]
        keys = self.chance.randint(1, min(len(kinds), 2))
        columns = [self.expression(scope, kind, 1) for kind in kinds[:keys]]
        columns += [self.aggregate(scope, kind) for kind in kinds[keys:]]
        listed = ", ".join(map(str, range(1, keys + 1)))
        sets = (f"ROLLUP ({listed})", f"CUBE ({listed})", f"GROUPING SETS ((1), ({listed}), ())")
        groups = self.chance.choice([listed] * 5 + [*sets])
        having = f" HAVING {self._having(scope)}" if self.maybe(0.25) else ""
        return Select(f"SELECT {_named(columns)}{text}{self._where(scope)} GROUP BY {groups}{having}", kinds)

    def _having(self, scope: Scope) -> str:
        kind = self.kind(scope)
        left, right = self.aggregate(scope, kind), self.chance.choice(LITERALS[kind])
        condition = f"{left} {self.chance.choice(['<', '>=', '<>'])} {right}"
        return self.chance.choice(["count(*) > 1", "count(*) < 9", condition, f"NOT ({condition})"])

    def _totals(self, depth: int, kinds: Sequence[Kind] | None) -> Select:
        text, scope = self._from(depth)
        kinds = kinds or self._some_kinds(scope)
        columns = _named([self.aggregate(scope, kind) for kind in kinds])
        return Select(f"SELECT {columns}{text}{self._where(scope)}", kinds)

    def _windows(self, depth: int, kinds: Sequence[Kind] | None) -> Select:
        text, scope = self._from(depth)
        kinds = kinds or ["integer", *self._some_kinds(scope)]
        columns = [self._window(scope, kind) if self.maybe(0.6) else self.expression(scope, kind, 1) for kind in kinds]
        return Select(f"SELECT {_named(columns)}{text}{self._where(scope)}", kinds)

    def _window(self, scope: Scope, kind: Kind) -> str:
        """A window function; those that tell rows of one place apart only over a total order."""
        by = f"PARTITION BY {self.expression(scope, self.kind([]), 0)}" if self.maybe(0.6) else ""
        level = f"{by} ORDER BY {self.expression(scope, self.kind(scope), 0)}"
        choices = [self.aggregate(scope, kind, 0, window) for window in (by, level)]
        if kind == "integer":
            choices += [f"{function}() OVER ({level})" for function in ("rank", "dense_rank")]
        order = total_order(scope)
        if order:
            total = f"{by} ORDER BY {order}"
            value = self.expression(scope, kind, 1)
            frame = self.chance.choice(["2 PRECEDING", "UNBOUNDED PRECEDING EXCLUDE TIES"])
            choices += [
                f"{self.chance.choice(['lag', 'lead', 'first_value', 'last_value'])}({value}) OVER ({total})",
                f"first_value({value}) OVER ({total} ROWS {frame})",
            ]
            if kind == "integer":
                choices += [f"row_number() OVER ({total})", f"ntile(3) OVER ({total})"]
        return self.chance.choice(choices)

    def _set_operation(self, depth: int, kinds: Sequence[Kind] | None) -> Select:
        left = self._select(depth - 1, kinds)
        right = self._select(depth - 1, left.kinds)
        operators = [*["UNION", "UNION ALL"] * 3, "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"]
        return Select(f"({left.text}) {self.chance.choice(operators)} ({right.text})", left.kinds)


def _named(columns: Sequence[str]) -> str:
    return ", ".join(f"{column} AS c{number}" for number, column in enumerate(columns, start=1))
