"""Chance that falls the same way every time: all of it derives from a name, none from the process.

Only `Random.random` and `Random.getrandbits` are used of a stream: they are the same in every version of Python.
"""

from hashlib import blake2b
from random import Random
from uuid import UUID, uuid5

_NAMESPACE = UUID("6f0c2a4e-51d3-5b7a-9c1e-2d8f4a60b3c7")


def named_id(*name: object) -> UUID:
    return uuid5(_NAMESPACE, _join(name))


def digest(*name: object) -> bytes:
    """16 bytes that look random."""
    return blake2b(_join(name).encode(), digest_size=16).digest()


def fraction(*name: object) -> float:
    """A number from 0 up to 1, always the same for this name."""
    return (int.from_bytes(digest(*name)[:7]) >> 3) / (1 << 53)


def stream(*name: object) -> Random:
    """Random numbers that belong to this name alone."""
    return Random(int.from_bytes(digest(*name)))  # noqa: S311 - a sample shop keeps no secrets


def time_ordered_id(luck: Random, moment: int) -> str:
    """A UUID of version 7, from seconds since 1970: an index on such ids grows at its end."""
    time, rest = f"{moment * 1000:012x}", f"{luck.getrandbits(72):018x}"
    return f"{time[:8]}-{time[8:]}-7{rest[:3]}-a{rest[3:6]}-{rest[6:]}"


def _join(name: tuple[object, ...]) -> str:
    return "/".join(map(str, name))
