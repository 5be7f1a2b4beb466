"""People who go on asking, whatever happens, and how each of their questions ended."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

RIGHT = "right"
# A whole month of long ago: the answer never changes.
QUESTION = "get_store_performance", {"period": "2025-09"}
# The connection ended before an answer had begun.
LOST = "lost"


def told(result: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer tells, whether it was kept or worked out."""
    return {name: value for name, value in result["structuredContent"].items() if name not in {"cached", "as_of"}}


def headers_of(token: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-06-18",
    }


def body_of(tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


@dataclass(frozen=True)
class Outcome:
    """How a question ended.

    Attributes:
        what: "right", "wrong", "lost", or the code of an error.
        retryable: whether the error says that it may go better later.
        at: when it was asked, as seconds of a clock that only grows.
        seconds: until it ended.
        text: what was answered.
        is_kept: whether it had been worked out before.
    """

    what: str
    retryable: bool
    at: float
    seconds: float
    text: str
    is_kept: bool = False

    @property
    def acceptable(self) -> bool:
        return self.what == RIGHT or self.retryable


@dataclass
class Outcomes:
    """Of all questions so far."""

    all: list[Outcome] = field(default_factory=list)

    def since(self, moment: float) -> list[Outcome]:
        return [one for one in self.all if one.at >= moment]

    def check(self, *, longest: float) -> None:
        """Nobody got a wrong answer, an error without a remedy, or none in time."""
        assert [one for one in self.all if not one.acceptable] == [], self.counted()
        assert [one for one in self.all if one.seconds > longest] == [], self.counted()

    def check_recovery(self, healed_at: float, *, within: float = 5) -> None:
        """After so many seconds everybody is answered again."""
        later = self.since(healed_at + within)
        assert later, self.counted()
        assert [one for one in later if one.what != RIGHT] == [], self.counted()

    def counted(self) -> str:
        return f"{dict(Counter(one.what for one in self.all))}, at most {max(one.seconds for one in self.all):.1f} s"


class Asker:
    """Asks a server as one person, over one connection."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._client = httpx2.Client(
            timeout=90,
            headers=headers_of(token),
        )

    def ask(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a call; an error when the server refuses the request."""
        response = self._client.post(self._url, json=body_of(tool, arguments))
        if response.status_code != 200:
            error = {"code": f"HTTP {response.status_code}", "retryable": "Retry-After" in response.headers}
            return {"isError": True, "content": [{"text": response.text}], "_meta": {"zava/error": error}}
        result: dict[str, Any] = response.json()["result"]
        return result

    def outcome(self, expected: object) -> Outcome:
        """How the question ends, of which this is the right answer."""
        at = time.monotonic()
        try:
            result = self.ask(*QUESTION)
        except httpx2.TransportError as lost:
            return Outcome(LOST, False, at, time.monotonic() - at, repr(lost))  # noqa: FBT003
        seconds = time.monotonic() - at
        if result.get("isError"):
            failure = result["_meta"]["zava/error"]
            return Outcome(failure["code"], failure["retryable"], at, seconds, result["content"][0]["text"])
        what = RIGHT if told(result) == expected else "wrong"
        is_kept = result["structuredContent"].get("cached", False)
        return Outcome(what, False, at, seconds, str(result)[:500], is_kept)  # noqa: FBT003

    def close(self) -> None:
        self._client.close()


def right_answers(url: str, tokens: Sequence[str]) -> dict[str, object]:
    """What each person is told while all is well; no two are told the same."""
    answers: dict[str, object] = {}
    for token in tokens:
        with closing(Asker(url, token)) as asker:
            answers[token] = told(asker.ask(*QUESTION))
    assert len({str(answer) for answer in answers.values()}) == len(answers)
    return answers


@contextmanager
def asking(url: str, expected: Mapping[str, object], each: int = 2, pause: float = 0.02) -> Iterator[Outcomes]:
    """Each of these people asks one question after the other, so many times at once, until the end."""
    outcomes = Outcomes()
    ends = threading.Event()

    def go_on(token: str) -> None:
        with closing(Asker(url, token)) as asker:
            while not ends.is_set():
                outcomes.all.append(outcome := asker.outcome(expected[token]))
                ends.wait(0.5 if outcome.what == LOST else pause)

    threads = [threading.Thread(target=go_on, args=(token,)) for token in expected for _ in range(each)]
    for thread in threads:
        thread.start()
    try:
        yield outcomes
    finally:
        ends.set()
        for thread in threads:
            thread.join()
