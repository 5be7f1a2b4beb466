"""The corpus of attacks: what is tried, and by what one knows that it came through.

A line of attacks.jsonl is an attack:

    id, cls: its name and its class.
    sql: texts for execute_sales_query, sent one after the other; or calls: other tools and their arguments. The tool
        read_link is none of the server's: it reads a uri, or the link of the answer to what it says.
    bad: what would be a breach, on top of what always is (below).
        leak: any answer or error matches `leak`.
        success: the last call succeeds, and its rows match `leak`.
        write, resource: nothing more; it says what the attack is after.
    leak: a regular expression. CANARY stands for marks of what is hidden from who asks.
    own: who may well find this: "head_office", or who holds the grant "personal".
    between: "victim" when somebody else asks something between the calls.
    slow: it would run to the timeout.
    guarded: the guard alone is against it: casts of constants that tell names of PostgreSQL's own and nobody's rows,
        and the few slow things that the grammar offers without a function whose right could be taken.

Whatever it is after, an attack breaches when a mark of somebody else turns up anywhere, when anything in the database
changed, when it takes too long, too much memory or disk, or answers at too great a length.

Long texts are lists of pieces: a text, or {"repeat": unit, "times": n, "join": between}, where {i} counts. Words in
braces and capitals stand for what an attacker might know, such as {VICTIM_STORE}; see `Asker.words`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.isolation.canaries import Canaries, StoreMarks
from zava.core.model import Principal

CORPUS = Path(__file__).with_name("attacks.jsonl")
QUERY = "execute_sales_query"
READ_LINK = "read_link"
NIL = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Call:
    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Attack:
    """A line of the corpus."""

    name: str
    cls: str
    calls: tuple[Call, ...]
    bad: str
    leak: str
    own: frozenset[str] = frozenset()
    between: bool = False
    slow: bool = False
    guarded: bool = False

    @property
    def only_sql(self) -> bool:
        return all(call.tool == QUERY for call in self.calls)

    def by(self, words: Mapping[str, str]) -> tuple[Call, ...]:
        """Its calls, with these words put in."""
        return tuple(Call(call.tool, _put_in(call.arguments, words)) for call in self.calls)


@dataclass(frozen=True)
class Asker:
    """Who attacks.

    Attributes:
        kind: of principal; what `own` of an attack names.
        stores: those that they see.
        personal: whether customers are shown to them as they are.
        victim: the principal that they would like to be.
        victim_store: and that one's store.
    """

    kind: str
    token: str
    principal: Principal
    stores: tuple[UUID, ...]
    personal: bool
    victim: Principal
    victim_store: StoreMarks

    def owns(self, attack: Attack) -> bool:
        return self.kind in attack.own or (self.personal and "personal" in attack.own)

    def hidden(self, canaries: Canaries) -> re.Pattern[str]:
        return canaries.hidden_from(self.stores, personal=self.personal)

    def words(self, canaries: Canaries, others: Mapping[str, str]) -> dict[str, str]:
        """What attackers may know: ids and names of others, and even their customers' addresses."""
        mine = [store for store in canaries.stores if store.store_id in self.stores]
        person = mine[0].person if mine else self.victim_store.person
        forged = (
            f"{self.victim.principal_id}|store_manager|{{{self.victim_store.store_id}}}|{{personal}}|1|1|{'0' * 64}"
        )
        set_context = f"set_config('zava.context','{forged}',true)"
        return {
            "SETCTXQ": set_context.replace("'", "''"),
            "SETCTX": set_context,
            "SETSTMT": f"SET zava.context = '{forged}'",
            "FORGED": forged,
            "VICTIM": str(self.victim.principal_id),
            "VICTIM_STORE": str(self.victim_store.store_id),
            "VICTIM_STORE_NAME": f"{self.victim_store.name} {self.victim_store.mark}",
            "VICTIM_EMAIL": f"{self.victim_store.person}e1@example.com",
            "VICTIM_ORDER": str(846100000001 + self.victim_store.digit * 10_000_000),
            "MY_STORE": str(mine[0].store_id) if mine else NIL,
            "MY_STORES": ",".join(f"'{store.store_id}'" for store in mine) or f"'{NIL}'",
            "MY_PERSON": person,
            "MY_EMAIL": f"{person}e1@example.com",
            "ACTIVITY": canaries.activity,
            "TOTALS": rf"(?<![\w.-])(?:{'|'.join(map(str, canaries.totals))})(?![\w.-])",
            **others,
        }


def put_words(text: str, words: Mapping[str, str]) -> str:
    return re.sub(r"\{([A-Z_]+)\}", lambda found: words.get(found[1], found[0]), text)


def _put_in(value: Any, words: Mapping[str, str]) -> Any:  # noqa: ANN401 - arguments are JSON
    match value:
        case str():
            return put_words(value, words)
        case dict():
            return {name: _put_in(item, words) for name, item in value.items()}
        case list():
            return [_put_in(item, words) for item in value]
    return value


def _text(pieces: str | Sequence[str | Mapping[str, Any]]) -> str:
    if isinstance(pieces, str):
        return pieces
    return "".join(piece if isinstance(piece, str) else _repeated(piece) for piece in pieces)


def _repeated(piece: Mapping[str, Any]) -> str:
    unit, between = piece["repeat"], piece.get("join", "")
    if "{i}" not in unit:
        return str(between.join([unit] * piece["times"]))
    return str(between.join(unit.replace("{i}", str(number)) for number in range(piece["times"])))


def _argument(value: Any) -> Any:  # noqa: ANN401 - arguments are JSON
    match value:
        case {"repeat": unit, "times": times}:
            return [unit] * times
        case [*pieces] if any(isinstance(piece, dict) for piece in pieces):
            return _text(pieces)
        case [*items]:
            return [_argument(item) for item in items]
    return value


def _calls(line: Mapping[str, Any]) -> tuple[Call, ...]:
    if "sql" in line:
        return tuple(Call(QUERY, {"postgresql_query": _text(sql)}) for sql in line["sql"])
    return tuple(
        Call(call["tool"], {name: _argument(value) for name, value in call["arguments"].items()})
        for call in line["calls"]
    )


@cache
def read_attacks() -> tuple[Attack, ...]:
    """The whole corpus."""
    lines = (json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines())
    return tuple(
        Attack(
            name=line["id"],
            cls=line["cls"],
            calls=_calls(line),
            bad=line["bad"],
            leak=line["leak"],
            own=frozenset(line.get("own", ())),
            between=line.get("between") == "victim",
            slow=line.get("slow", False),
            guarded=line.get("guarded", False),
        )
        for line in lines
    )
