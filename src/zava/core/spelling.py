"""Misspelled words of a question, read as words of products. Who misspells seldom makes two errors in one word."""

import re
from collections.abc import Collection, Mapping, Sequence
from string import ascii_lowercase

# Shorter words resemble too many others. What has digits or hyphens may be a SKU or a size.
WORD = re.compile(r"(?<![\w'\u2019-])[A-Za-z]{4,20}(?![\w-]|['\u2019]\w)")

LONG = 6
VOWELS = "aeiouy"

# With more of them, a question is of another language, and not misspelled.
MOST_STRANGE = 5


def strange_words(text: str, ordinary: Collection[str]) -> Sequence[str]:
    """The words, in lower case, that are not ordinary; none where that would be most of the text."""
    strange = sorted({word for word in map(str.lower, WORD.findall(text)) if word not in ordinary})
    return strange if len(strange) <= MOST_STRANGE else []


def alike(word: str) -> set[str]:
    """All that is one typing error away: a letter too many or too few, another one, or two that changed places.

    The first letter is seldom another, or too many. In a short word another consonant makes another word: it takes a
    vowel for a vowel there.
    """
    parts = [(word[:position], word[position:]) for position in range(len(word) + 1)]
    missing = {head + letter + tail for head, tail in parts for letter in ascii_lowercase}
    other = {
        head + letter + tail[1:]
        for head, tail in parts
        if head and tail
        for letter in (ascii_lowercase if len(word) >= LONG else VOWELS if tail[0] in VOWELS else "")
    }
    added = {head + tail[1:] for head, tail in parts if head and tail}
    swapped = {head + tail[1] + tail[0] + tail[2:] for head, tail in parts if len(tail) > 1}
    return (missing | other | added | swapped) - {word}


def corrected(text: str, strange: Collection[str], known: Mapping[str, int]) -> str:
    """The text, with the strange words that products do not have read as the likeliest word that they have.

    Args:
        text: as it was asked.
        strange: words of it, in lower case.
        known: words that are said of products, and in the name, kind or category of how many.
    """

    def read(match: re.Match[str]) -> str:
        word = match[0].lower()
        if word not in strange or word in known:
            return match[0]
        likely = [other for other in alike(word) if known.get(other)]
        # Of words that are as frequent, the same one every time.
        return max(likely, key=lambda other: (known[other], other), default=match[0])

    return WORD.sub(read, text)
