"""The answers that docs/reference/tools.md shows are what the tools answer."""

import pytest

from tests import reference
from tests.sample_answers import sample_answers

# Models round differently on different processors, and what is nearly as alike may change places.
INEXACT = "semantic_search_products"


@pytest.mark.timeout(1200)
def test_the_tools_answer_their_examples_as_the_reference_shows() -> None:
    shown = reference.answers_in((reference.FOLDER / "tools.md").read_text(encoding="utf-8"))
    answers = sample_answers(reference.examples())
    assert shown.pop(INEXACT).splitlines()[0] == answers.pop(INEXACT).splitlines()[0]
    assert shown == answers, "run `make reference ARGS=--answers`"
