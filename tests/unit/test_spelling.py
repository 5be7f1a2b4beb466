"""A word with one typing error is read as a word of products, and nothing else is touched."""

from collections.abc import Mapping

import pytest

from zava.core.spelling import alike, corrected, strange_words

ORDINARY = {"pipe", "with", "rust", "tiler", "don", "leak", "pint"}
# Words of products, and how many names, kinds and categories have each. "seep" is in descriptions alone.
KNOWN = {"wrench": 11, "drill": 9, "drip": 2, "paint": 4, "plumbers": 1, "seep": 0, "vinyl": 3, "stool": 2, "angle": 5}


def read(text: str, known: Mapping[str, int] = KNOWN) -> str:
    return corrected(text, strange_words(text, ORDINARY), known)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("pipe rench", "pipe wrench"),
        ("Pipe Wremch, with rust", "Pipe wrench, with rust"),
        ("anlge", "angle"),
        ("wrenchh", "wrench"),
        ("plumers' tape", "plumbers' tape"),
        ("vinil", "vinyl"),
        ('a "paimnt"!', 'a "paint"!'),
    ],
)
def test_one_typing_error_is_mended(text: str, meant: str) -> None:
    assert read(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "wrench",  # as products have it
        "pint",  # an ordinary word
        "seeep",  # no name, kind or category has the word
        "spool",  # in a short word a consonant makes another word
        "frill",  # as the first letter does
        "wrnech-12",  # a SKU, maybe
        "WRNECH-A",
        "drll20",
        "wrencch'd",
        "ngl",  # too short to tell
        "wränch",
        "",
    ],
)
def test_what_is_no_typing_error_is_left_alone(text: str) -> None:
    assert read(text) == text


def test_the_word_that_most_products_have_is_meant() -> None:
    assert read("rench", {"trench": 1, "wrench": 2}) == "wrench"
    assert read("rench", {"trench": 2, "wrench": 1}) == "trench"
    assert read("rench", {"trench": 1, "wrench": 1}) == read("rench", {"wrench": 1, "trench": 1})


def test_a_question_of_mostly_strange_words_is_of_another_language() -> None:
    assert strange_words("rench dril vinil paimnt anlge", ORDINARY) == ["anlge", "dril", "paimnt", "rench", "vinil"]
    assert strange_words("rench dril vinil paimnt anlge plumers", ORDINARY) == []


def test_there_are_some_hundreds_of_words_alike() -> None:
    assert len(alike("a" * 20)) < 1_200
    assert "drill" not in alike("drill")
