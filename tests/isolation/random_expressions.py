"""Random SQL expressions over the shop, each of a known kind, and each with one value for given rows.

Nothing depends on the order in which rows arrive: no sums of floats, no limit or array without a total order. Numbers
never become texts, since 1.0 and 1.00 are one group, and PostgreSQL may show either. What raises an error raises it for
rows of sloppy stores only.
"""

import random
from collections.abc import Callable, Mapping, Sequence

from tests.isolation.boundary_shop import DIVISORS, NUMERALS
from tests.isolation.random_sources import LITERALS, WEIGHTS, Scope, Source, links, names
from tests.isolation.readable_tables import Kind, Table

PATTERNS = ("'%a%'", "'A%'", "'%e'", "'_***'", "'%'", "'%1%'", "''")
COMPARISONS = ("=", "<>", "<", ">", "<=", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")

Choices = Sequence[Callable[[], str]]


class ExpressionWriter:
    """Writes expressions by chance."""

    def __init__(self, chance: random.Random, tables: Mapping[str, Table], *, strict: bool) -> None:
        """A writer.

        Args:
            chance: decides.
            tables: that may be read.
            strict: whether some expressions raise errors for rows of sloppy stores.
        """
        self.chance = chance
        self.tables = tables
        self._divisors = DIVISORS if strict else {}
        self._numerals = NUMERALS if strict else {}
        self._aliases = 0

    def alias(self) -> str:
        self._aliases += 1
        return f"t{self._aliases}"

    def maybe(self, probability: float) -> bool:
        return self.chance.random() < probability

    def table(self, *choices: str) -> Source:
        """A table, by chance."""
        name = self.chance.choice(choices or list(self.tables))
        return Source(self.alias(), self.tables[name].columns, self.tables[name].key, name)

    def reading(self, source: Source) -> str:
        """A table as it stands in a FROM clause."""
        return f"{self.chance.choice(['retail.', ''])}{source.table} AS {source.alias}"

    def kind(self, scope: Scope) -> Kind:
        """A kind that these sources have columns of."""
        kinds = sorted({kind for source in scope for kind in source.columns.values()}) or list(LITERALS)
        return self.chance.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]

    def expression(self, scope: Scope, kind: Kind, depth: int = 2) -> str:
        """An expression over these sources; without sources, of literals."""
        if depth == 0 or self.maybe(0.45):
            columns = names(scope, kind)
            return self.chance.choice(columns if columns and self.maybe(0.9) else LITERALS[kind])
        return self.chance.choice(self._operations(scope, kind, depth - 1))()

    def other(self, than: str, scope: Scope, kind: Kind, depth: int) -> str:
        """An expression that is not this one."""
        written = self.expression(scope, kind, depth)
        return self.chance.choice(LITERALS[kind]) if written == than else written

    def _operations(self, scope: Scope, kind: Kind, depth: int) -> Choices:
        def of(kind: Kind) -> str:
            return self.expression(scope, kind, depth)

        def two(kind: Kind) -> str:
            first = of(kind)
            return f"{first}, {self.other(first, scope, kind, depth)}"

        common: Choices = [
            lambda: f"coalesce({two(kind)})",
            lambda: f"nullif({two(kind)})",
            lambda: f"CASE WHEN {self.predicate(scope, depth)} THEN {of(kind)} ELSE {of(kind)} END",
            lambda: f"CASE WHEN {self.predicate(scope, depth)} THEN {of(kind)} END",
        ]
        own: Mapping[Kind, Choices] = {
            "uuid": [],
            "integer": [
                lambda: f"({of('integer')} {self.chance.choice('+-')} {of('integer')})",
                lambda: f"({of('integer')} % 7)",
                lambda: f"length({of('text')})",
                lambda: f"extract({self.chance.choice(['month', 'dow', 'day'])} FROM {of('date')})::integer",
                lambda: f"({of('date')} - {of('date')})",
                lambda: self._numeral(scope),
                lambda: self._scalar(scope, "integer"),
                lambda: self._scalar(scope, "integer"),
            ],
            "numeric": [
                lambda: f"({of('numeric')} {self.chance.choice('+-')} {of('numeric')})",
                lambda: f"({of('numeric')} * {self.chance.choice([2, 3, 0.5])})",
                lambda: f"round({of('numeric')}, 1)",
                lambda: f"greatest({two('numeric')})",
                lambda: self._scalar(scope, "numeric"),
            ],
            "text": [
                lambda: f"upper({of('text')})",
                lambda: f"left({of('text')}, 2)",
                lambda: f"({of('text')} || ' ' || {of('text')})",
                lambda: f"lpad({of('text')}, 8, '*')",
                lambda: f"replace({of('text')}, 'a', 'b')",
                lambda: f"split_part({of('text')}, ' ', 1)",
                lambda: f"to_char({of('date')}, 'YYYY-MM')",
                lambda: f"regexp_replace({of('text')}, '[aeiou]', '', 'g')",
                lambda: f"concat_ws('/', {two('text')})",
                lambda: f"{of('uuid')}::text",
                lambda: self._scalar(scope, "text"),
            ],
            "date": [
                lambda: f"date_trunc('month', {of('date')})::date",
                lambda: f"({of('date')} + 7)",
                lambda: f"{of('timestamptz')}::date",
                lambda: f"least({two('date')})",
                lambda: self._scalar(scope, "date"),
            ],
            "timestamptz": [
                lambda: f"({of('timestamptz')} + interval '1 day')",
                lambda: f"date_trunc('day', {of('timestamptz')})",
            ],
            "boolean": [lambda: f"({self.predicate(scope, depth)})"],
        }
        return [*own[kind], *own[kind], *common]

    def _numeral(self, scope: Scope) -> str:
        """A text that becomes an integer; in sloppy stores it is none."""
        numerals = [
            f"{source.alias}.{self._numerals[source.table]}" for source in scope if source.table in self._numerals
        ]
        return f"{self.chance.choice(numerals)}::integer" if numerals else self.expression(scope, "integer", 0)

    def predicate(self, scope: Scope, depth: int = 2) -> str:
        """A condition over these sources."""
        simple = (self._comparison, self._comparison, self._membership, self._null_test, self._truth, self._ratio)
        if depth == 0:
            return self.chance.choice(simple)(scope, depth)
        if self.maybe(0.3):
            operator = self.chance.choice(["AND", "OR", "OR", "OR"])
            return f"({self.predicate(scope, depth - 1)} {operator} {self.predicate(scope, depth - 1)})"
        if self.maybe(0.08):
            return f"(NOT {self.predicate(scope, depth - 1)})"
        return self.chance.choice((*simple, self._in_query, self._exists))(scope, depth - 1)

    def _comparison(self, scope: Scope, depth: int) -> str:
        kind = self.kind(scope)
        left = self.expression(scope, kind, depth)
        if kind == "text" and self.maybe(0.4):
            return f"{left} {self.chance.choice(['LIKE', 'NOT LIKE', 'ILIKE'])} {self.chance.choice(PATTERNS)}"
        if self.maybe(0.15):
            return f"{left} BETWEEN {LITERALS[kind][0]} AND {self.expression(scope, kind, 0)}"
        right = self.other(left, scope if self.maybe(0.6) else [], kind, depth)
        return f"{left} {self.chance.choice(COMPARISONS)} {right}"

    def _membership(self, scope: Scope, depth: int) -> str:
        kind = self.kind(scope)
        left = self.expression(scope, kind, depth)
        members = {self.other(left, scope, kind, 0), *self.chance.sample(LITERALS[kind], 2)}
        return f"{left} {self.chance.choice(['IN', 'NOT IN'])} ({', '.join(sorted(members))})"

    def _null_test(self, scope: Scope, depth: int) -> str:
        return f"{self.expression(scope, self.kind(scope), depth)} IS {self.chance.choice(['', 'NOT ', 'NOT '])}NULL"

    def _truth(self, scope: Scope, depth: int) -> str:
        columns = names(scope, "boolean")
        if not columns:
            return self._comparison(scope, depth)
        return f"{self.chance.choice(columns)}{self.chance.choice(['', ' IS NOT TRUE', ' IS UNKNOWN'])}"

    def _ratio(self, scope: Scope, depth: int) -> str:
        """A division by what is zero in sloppy stores."""
        divided = [source for source in scope if source.table in self._divisors]
        if not divided:
            return self._comparison(scope, depth)
        source = self.chance.choice(divided)
        divisor = self._divisors[source.table]
        left, right = self.chance.choices(LITERALS[source.columns[divisor]], k=2)
        return f"{left} / {source.alias}.{divisor} {self.chance.choice(COMPARISONS)} {right}"

    def _in_query(self, scope: Scope, _: int) -> str:
        """A column, or two, among those of a table."""
        inner, pairs = self.linked(scope)
        if not pairs:
            return self._exists(scope, 0)
        query = f"FROM {self.reading(inner)} WHERE {self.predicate([inner], 0)}"
        if len(pairs) > 1 and self.maybe(0.3):
            (first, first_name), (second, second_name) = pairs[:2]
            operator = self.chance.choice(["IN", "NOT IN"])
            return f"({first}, {second}) {operator} (SELECT {first_name}, {second_name} {query})"
        operator = self.chance.choice(["IN", "IN", "NOT IN", "NOT IN", "= ANY", "<> ALL", "> ALL", "<= ANY"])
        return f"{pairs[0][0]} {operator} (SELECT {pairs[0][1]} {query})"

    def _exists(self, scope: Scope, _: int) -> str:
        inner, pairs = self.linked(scope)
        condition = self.correlation(scope, inner, pairs)
        query = f"SELECT 1 FROM {self.reading(inner)} WHERE {condition}"  # noqa: S608 - of random words of our own
        return f"{self.chance.choice(['', 'NOT '])}EXISTS ({query})"

    def _scalar(self, scope: Scope, kind: Kind) -> str:
        """A sub-query of one row and one column of a table."""
        inner, pairs = self.linked(scope)
        # Its aggregate takes columns of its own table only: one of the outer tables' would be the outer query's.
        aggregate = self.aggregate([inner], kind, depth=0)
        condition = self.correlation(scope, inner, pairs)
        return f"(SELECT {aggregate} FROM {self.reading(inner)} WHERE {condition})"  # noqa: S608 - as above

    def linked(self, scope: Scope) -> tuple[Source, list[tuple[str, str]]]:
        """A table, and the columns that it shares with the sources, by both their names."""
        inner = self.table()
        pairs = links(scope, inner)
        return inner, self.chance.sample(pairs, len(pairs))

    def correlation(self, scope: Scope, inner: Source, pairs: Sequence[tuple[str, str]]) -> str:
        """What the rows of an inner table have to do with those of the outer ones."""
        conditions = [f"{name} = {outer}" for outer, name in pairs[: self.chance.choice([1, 1, 2])]]
        if not conditions or self.maybe(0.4):
            conditions.append(self.predicate([inner, *scope] if self.maybe(0.3) else [inner], 0))
        return " AND ".join(conditions)

    def aggregate(self, scope: Scope, kind: Kind, depth: int = 1, window: str | None = None) -> str:
        """An aggregate of this kind, whatever the order of the rows; over a window, if one is given."""

        def of(kind: Kind) -> str:
            # Something of the rows: an aggregate of a constant might belong to another query.
            columns = names(scope, kind) or LITERALS[kind]
            return self.expression(scope, kind, depth) if depth else self.chance.choice(columns)

        def listed() -> str:
            text = of("text")
            return f"string_agg({text}, ', ' ORDER BY {text})"

        choices: dict[Kind, Choices] = {
            "uuid": [lambda: f"min({of('uuid')}::text)"],
            "integer": [
                lambda: "count(*)",
                lambda: f"count({of(self.kind(scope))})",
                lambda: f"count({'DISTINCT ' if window is None else ''}{of(self.kind(scope))})",
                lambda: f"sum({of('integer')})",
                lambda: f"max({of('integer')})",
            ],
            "numeric": [lambda: f"{self.chance.choice(['sum', 'sum', 'avg', 'min', 'stddev_samp'])}({of('numeric')})"],
            "text": [lambda: f"{self.chance.choice(['min', 'max'])}({of('text')})"],
            "date": [lambda: f"{self.chance.choice(['min', 'max'])}({of('date')})"],
            "timestamptz": [lambda: f"max({of('timestamptz')})"],
            "boolean": [lambda: f"{self.chance.choice(['bool_or', 'every'])}({of('boolean')})"],
        }
        if window is None:
            choices["text"] = [*choices["text"], listed]
            choices["numeric"] = [
                *choices["numeric"],
                lambda: f"percentile_disc(0.5) WITHIN GROUP (ORDER BY {of('numeric')})",
            ]
        call = self.chance.choice(choices[kind])()
        call += f" FILTER (WHERE {self.predicate(scope, depth)})" if self.maybe(0.25) else ""
        call += "" if window is None else f" OVER ({window})"
        return f"({call})::uuid" if kind == "uuid" else call
