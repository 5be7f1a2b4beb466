"""Which answers are kept, for how long, and for whom: for as long as they are true, and for those who see the same."""

import hashlib
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from zava.core.metrics import ANALYSIS_METRICS
from zava.core.model import EmbeddingModel, Principal, ShopVersion
from zava.core.ports import Cache, ShopVersions
from zava.core.readings import Reading, reading_under_way

POLL_SECONDS = 0.5
# What was known longer ago is not known.
FRESH_SECONDS = 2.0

# Whose answers are kept. Others cost little, as the date does; name customers, as orders do; or are made of what leaves
# no mark when it changes, as tables do.
GOVERNED = frozenset(
    (
        "get_store_performance",
        "analyze_sales",
        "compare_stores",
        "semantic_search_products",
        "find_related_products",
        "check_inventory",
    )
)

FREE_SQL = "execute_sales_query"
# What reads a clock, or chance. Whoever hides such a word in a literal gets an answer of a few minutes ago.
CHANGES_BY_ITSELF = re.compile(
    r"\b(age|now|today|tomorrow|yesterday|timetz|random\w*|(clock|statement|transaction)_timestamp|current_\w+|local\w+)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class KeptAnswers:
    """What an operator decides of them.

    Attributes:
        server: stands for all that tells the answers of this server from those of another one over the same shop.
        seconds: for which one is kept at most.
        free_sql: whether those to callers' own SQL are kept too.
    """

    server: str
    seconds: float
    free_sql: bool = False

    def keeps(self, question: str, arguments: Mapping[str, Any]) -> bool:
        """Whether the answer is worth keeping, and depends on nothing but its ingredients."""
        if question == FREE_SQL:
            return self.free_sql and not CHANGES_BY_ITSELF.search(arguments["postgresql_query"])
        return question in GOVERNED


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, as it was admitted.

    Attributes:
        question: its name.
        scopes: of tools, that the caller has.
        arguments: checked, with those that were left out.
    """

    principal: Principal
    question: str
    scopes: frozenset[str]
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ingredients:
    """All that can change an answer. Whoever asks with the same ingredients gets the same answer.

    Attributes:
        server: as of KeptAnswers.
        rights: role, stores and grants, as the database sees them.
        time_zone: of the business.
        today: in that time zone; no answer depends on the hour.
    """

    server: str
    data_version: str
    policy_version: str
    rights: str
    scopes: frozenset[str]
    time_zone: str
    today: date
    question: str
    arguments: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The same for equal ingredients alone. It does not tell them."""
        told = json.dumps(
            [
                self.server,
                self.data_version,
                self.policy_version,
                self.rights,
                sorted(self.scopes),
                self.time_zone,
                self.today.isoformat(),
                self.question,
                self.arguments,
            ],
            sort_keys=True,
            allow_nan=False,
        )
        return f"answer:{_hash_of(told)}"


def server_of(version: str, models: Iterable[EmbeddingModel], settings: Iterable[str]) -> str:
    """Stands for a server: its version, what its metrics mean, its embedding models and its settings."""
    metrics = sorted((name, metric.unit, metric.definition) for name, metric in ANALYSIS_METRICS.items())
    return _hash_of(json.dumps([version, metrics, [str(model) for model in models], [*settings]]))


def _hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class AnswerCache:
    """Answers again what was answered before, for as long as neither the shop nor anybody's rights have changed.

    Nobody is asked here whether they may ask: that has been decided.
    """

    def __init__(  # noqa: PLR0913 - two caches, and all that a key is made of
        self,
        cache: Cache,
        *,
        rights: Cache,
        versions: ShopVersions,
        policy: KeptAnswers,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Empty, and of no use until it has been told the version of the shop.

        Args:
            cache: keeps answers.
            rights: keeps the rights of principals, in this process.
            versions: knows the state of the shop.
            policy: what is kept, and for how long.
            now: the present moment, with its time zone.
            clock: seconds that only grow.
        """
        self._cache = cache
        self._rights = rights
        self._versions = versions
        self._policy = policy
        self._now = now
        self._clock = clock
        self._latest: ShopVersion | None = None
        self._asked_at = 0.0

    async def look(self) -> None:
        """Asks for the version of the shop.

        Raises:
            UnavailableError: it cannot be told. Soon nothing is answered from here then.
        """
        asked_at = self._clock()
        self._latest = await self._versions.latest()
        self._asked_at = asked_at

    async def ingredients(self, asked: Asked) -> Ingredients | None:
        """What the answer is made of; None for one that is not kept, and while the state of the shop is not known."""
        latest = self._latest
        if latest is None or self._clock() - self._asked_at > FRESH_SECONDS:
            return None
        if not self._policy.keeps(asked.question, asked.arguments):
            return None
        data_version, policy_version = latest.data_version, latest.policy_version
        if data_version is None or policy_version is None:
            return None
        rights = await self._rights_of(asked.principal, policy_version)
        if rights is None:
            return None
        return Ingredients(
            server=self._policy.server,
            data_version=data_version,
            policy_version=policy_version,
            rights=rights,
            scopes=asked.scopes,
            time_zone=latest.time_zone,
            today=_day_of(self._now(), latest.time_zone),
            question=asked.question,
            arguments=asked.arguments,
        )

    async def recall(self, expected: Ingredients, compute: Callable[[], Awaitable[bytes]]) -> bytes:
        """The answer of these ingredients, worked out when nobody has it.

        Who asks while it is being worked out waits for the same one; but nobody gets an error that is another's.
        """
        is_mine = False

        async def compute_and_judge() -> bytes:
            nonlocal is_mine
            is_mine = True
            reading = Reading()
            token = reading_under_way.set(reading)
            try:
                value = await compute()
            finally:
                reading_under_way.reset(token)
            self._judge(value, reading, expected)
            return value

        try:
            return await self._cache.get_or_compute(expected.key, compute_and_judge, self._policy.seconds)
        except _UnkeptError as unkept:
            if is_mine or unkept.is_shared:
                return unkept.value
        except Exception:
            if is_mine:
                raise
        return await compute()

    def _judge(self, value: bytes, reading: Reading, expected: Ingredients) -> None:
        """Raises _UnkeptError for an answer that is made of something else than was expected."""
        policies = {(seen.policy_version, seen.rights) for seen in reading.snapshots}
        is_of_rights = policies == {(expected.policy_version, expected.rights)}
        is_of_data = {seen.data_version for seen in reading.snapshots} == {expected.data_version}
        # Around midnight it may be of either day: by this clock when it is done, by the database's while it is read.
        days = {_day_of(moment, expected.time_zone) for moment in (self._now(), *(s.as_of for s in reading.snapshots))}
        if not (is_of_rights and is_of_data and days == {expected.today}) or reading.is_makeshift:
            raise _UnkeptError(value, is_shared=is_of_rights and not reading.is_makeshift)

    async def _rights_of(self, principal: Principal, policy_version: str) -> str | None:
        """None while the policies change."""
        groups = sorted(principal.membership.groups) if principal.membership else None
        key = f"{policy_version} {principal.principal_id} {groups}"

        async def ask() -> bytes:
            snapshot = await self._versions.seen_by(principal)
            if snapshot.policy_version != policy_version:
                raise _UnkeptError(b"", is_shared=True)
            return snapshot.rights.encode()

        try:
            return (await self._rights.get_or_compute(key, ask)).decode()
        except _UnkeptError:
            return None


def _day_of(moment: datetime, time_zone: str) -> date:
    return moment.astimezone(ZoneInfo(time_zone)).date()


class _UnkeptError(Exception):
    """An answer to whoever asked now, which will not do later.

    Attributes:
        is_shared: whether it will do for those who asked the same meanwhile.
    """

    def __init__(self, value: bytes, *, is_shared: bool) -> None:
        super().__init__("this answer is not kept")
        self.value = value
        self.is_shared = is_shared
