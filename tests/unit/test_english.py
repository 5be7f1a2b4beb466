"""The English words that no product needs to have."""

from zava.adapters.embeddings.english import english_words


def test_ordinary_words_are_english_and_pieces_and_errors_are_not() -> None:
    words = english_words()
    assert {"dripping", "something", "leak", "host"} <= words
    assert words.isdisjoint({"faucat", "wrech", "##ing", "[CLS]", "100", ""})
    assert 15_000 < len(words) < 30_000
