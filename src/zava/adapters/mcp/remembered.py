"""Answers that are remembered: the step of the pipeline between who was admitted and the work."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import from_json, to_json

from zava.adapters.mcp.coverage import coverage
from zava.adapters.mcp.csv_files import is_table
from zava.adapters.mcp.identity import Caller
from zava.adapters.mcp.pipeline import CHART, Answer, Remembered, ToolSpec, WorkOut
from zava.core.answer_cache import AnswerCache, Asked
from zava.core.charts import Picture
from zava.core.observations import Coverage
from zava.core.readings import make_do, reading_under_way


@dataclass(frozen=True)
class RememberedAnswers:
    """Writes answers for the cache, and reads them again. A link is no part of them: it is the caller's own."""

    answers: AnswerCache

    async def __call__(
        self, caller: Caller, spec: ToolSpec[Any], arguments: Mapping[str, Any], work_out: WorkOut
    ) -> Answer[Any]:
        """The answer to this caller: what was found before, or what the work finds now."""
        ingredients = await self.answers.ingredients(Asked(caller.principal, spec.name, caller.scopes, arguments))
        if ingredients is None:
            return await work_out()
        own: Answer[Any] | None = None

        async def compute() -> bytes:
            nonlocal own
            found = await work_out()
            if arguments.get(CHART) and found.picture is None:
                make_do()
            told = found.structured
            own = replace(found, json=to_json(told))
            return _kept(spec.name, own, told)

        value = await self.answers.recall(ingredients, compute)
        return own if own is not None else _read(value)


def _kept(tool: str, answer: Answer[Any], told: dict[str, Any]) -> bytes:
    """A line about the answer, and what it told, its structured content, as later callers get it."""
    covered = coverage(answer.result)
    picture = answer.picture
    about = {
        "text": answer.text,
        "stores": covered.stores,
        "rows": covered.rows,
        "is_table": is_table(tool, answer.result),
        "picture": picture
        and {
            "png": b64encode(picture.png).decode(),
            "alt": picture.alt,
            "specification": dict(picture.specification),
        },
    }
    reading = reading_under_way.get()
    as_of = reading.as_of.isoformat() if reading and reading.as_of else None
    # Some answers say anyway as of when they are.
    later = {**told, "cached": True, "as_of": told.get("as_of") or as_of}
    return to_json(about) + b"\n" + to_json(later)


def _read(value: bytes) -> Answer[Remembered]:
    about, _, json = value.partition(b"\n")
    kept = from_json(about)
    covered = Coverage(None if kept["stores"] is None else tuple(kept["stores"]), kept["rows"])
    picture = kept["picture"]
    return Answer(
        kept["text"],
        Remembered(covered, kept["is_table"]),
        picture and Picture(b64decode(picture["png"]), picture["alt"], picture["specification"]),
        json=json,
    )
