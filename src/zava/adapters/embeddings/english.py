"""Which words are English? Those that the vocabulary of the local model has whole."""

from pathlib import Path

VOCABULARY = Path(__file__).parent / "minilm" / "vocab.txt"


def english_words() -> frozenset[str]:
    """Some twenty thousand ordinary words, in lower case. Nothing else of the model is loaded."""
    return frozenset(filter(str.isalpha, VOCABULARY.read_text(encoding="utf-8").splitlines()))
