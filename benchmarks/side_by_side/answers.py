"""Do all say the same, and in how many words?"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bpe_openai import get_encoding

from side_by_side.servers import Server
from side_by_side.workloads import Workload

# Without its sign, since dates have dashes.
NUMBER = re.compile(r"\d+(?:\.\d+)?")
SKU = re.compile(r"[A-Z]{3}-[A-Z]{2,5}-\d{3}")
CENT = Decimal("0.01")
CHECKED = 4
# Of ten products: words count for our search, too, and it looks at several vectors of a product.
LEAST_IN_COMMON = 5


@dataclass(frozen=True)
class Size:
    """Of the `content` of an answer, which is what a model reads.

    Attributes:
        tokens: of o200k_base, the vocabulary of GPT-4o and later.
    """

    bytes: int
    tokens: int


async def check(workload: Workload, server: Server, raw: Server) -> Size | None:
    """The size of a server's first answer; None when its answers do not hold the figures that PostgreSQL gives."""
    sizes = []
    for question, query in list(zip(workload.questions(server), workload.questions(raw), strict=True))[:CHECKED]:
        answer = await server.asked.ask(question)
        rows = (await raw.asked.ask(query))["rows"]
        if not _agree(rows, answer, same_order=question.tool != "get_store_performance"):
            print(f"{server.name} answers {workload.name} otherwise than PostgreSQL:\n{rows}\n{answer}"[:4_000])
            return None
        sizes.append(_size(answer))
    return sizes[0]


def _agree(rows: Sequence[Sequence[object]], answer: dict[str, Any], *, same_order: bool) -> bool:
    told = _told(answer)
    if wanted := set(SKU.findall(str(rows))):
        return len(wanted & set(SKU.findall(told))) >= LEAST_IN_COMMON
    expected = _figures(str(value) for row in rows for value in row)
    found = _figures([told])
    if not same_order:
        return set(expected) <= set(found)
    # Each after the one before, with anything between.
    left = iter(found)
    return all(figure in left for figure in expected)


def _told(answer: dict[str, Any]) -> str:
    """All that an answer says, our own as structured content, in which numbers have no commas."""
    if "columns" in (structured := answer.get("structuredContent", {})) or "metrics" in structured:
        return json.dumps(structured)
    return "\n".join(_texts(answer))


def _texts(answer: dict[str, Any]) -> list[str]:
    return [block["text"] if block["type"] == "text" else json.dumps(block) for block in answer["content"]]


def _figures(texts: Iterable[str]) -> list[Decimal]:
    return [Decimal(number).quantize(CENT) for text in texts for number in NUMBER.findall(text)]


def _size(answer: dict[str, Any]) -> Size:
    texts = _texts(answer)
    encoding = get_encoding("o200k_base")
    return Size(sum(len(text.encode()) for text in texts), sum(len(encoding.encode(text)) for text in texts))
