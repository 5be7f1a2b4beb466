"""The customers of the sample shop: everybody is a store they call their own and a number."""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from zava.demo.chance import digest
from zava.demo.stores import STORES, Store

_DOMAINS = ("example.com", "example.org", "example.net")
_HOUSE_NUMBER = {store.name: number for number, store in enumerate(STORES)}


class Person(NamedTuple):
    customer_id: str
    first_name: str
    last_name: str
    email: str


def customer_id(seed: int, home: Store, number: int) -> str:
    return _id(digest(seed, "person", home.name, number).hex())


def person(seed: int, home: Store, number: int) -> Person:
    luck = digest(seed, "person", home.name, number)
    names = _names()
    first = names["first"][int.from_bytes(luck[0:4]) % len(names["first"])]
    last = names["last"][int.from_bytes(luck[4:8]) % len(names["last"])]
    unique = number * len(STORES) + _HOUSE_NUMBER[home.name] + 1
    mailbox = f"{first}.{last}{unique}".replace("'", "").lower()
    return Person(_id(luck.hex()), first, last, f"{mailbox}@{_DOMAINS[luck[8] % 3]}")


@lru_cache(maxsize=1)
def _names() -> dict[str, list[str]]:
    written = tomllib.loads((files("zava.demo") / "names.toml").read_text("utf-8"))
    return {kind: names.split() for kind, names in written.items()}


def _id(text: str) -> str:
    """As a UUID of version 8, which leaves its bits to us."""
    return f"{text[:8]}-{text[8:12]}-8{text[13:16]}-a{text[17:20]}-{text[20:]}"
