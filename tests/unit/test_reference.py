"""docs/reference says what the code does, and the changelog what became of the tools."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests import reference
from zava.core.observations import FAILURES

PAGES = reference.pages()
CHANGELOG = (reference.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def changes(before: object, after: object, where: str = "") -> list[str]:
    """What was added, removed or changed, place by place."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return [] if before == after else [f"{where.strip()} is no longer {before!r} but {after!r}"]
    found = [f"{where}{name} was added" for name in after if name not in before]
    found += [f"{where}{name} was removed" for name in before if name not in after]
    for name in before.keys() & after.keys():
        found += changes(before[name], after[name], f"{where}{name} ")
    return sorted(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_what_make_reference_writes(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert reference.filled(text) == text, "run `make reference`"


def test_each_block_stands_on_one_page() -> None:
    found = [block["name"] for page in PAGES for block in reference.BLOCK.finditer(page.read_text(encoding="utf-8"))]
    assert sorted(found) == sorted(reference.blocks({}))


def test_a_stale_page_is_found() -> None:
    stale = "# Settings\n\n<!-- begin settings search -->\nZAVA_SEARCH__FORMER\n<!-- end -->\n"
    assert "ZAVA_SEARCH__AVAILABILITY" in reference.filled(stale)
    assert "FORMER" not in reference.filled(stale)


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in reference.all_settings().items() if not field.description] == []


def test_every_error_says_what_it_means_and_what_to_do() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| (yes|no) \| (.+?) \|", reference.error_table(), re.MULTILINE)
    assert {row[0] for row in rows} == reference.error_codes().keys()


def test_the_page_of_errors_has_every_code_of_a_failure() -> None:
    page = (reference.FOLDER / "errors.md").read_text(encoding="utf-8")
    assert [code for code in FAILURES if f"`{code}`" not in page] == []


def test_every_tool_shows_an_answer() -> None:
    shown = reference.answers_in((reference.FOLDER / "tools.md").read_text(encoding="utf-8"))
    assert shown.keys() == reference.examples().keys()
    assert all(shown.values())


def test_no_tool_has_changed_unnoticed() -> None:
    kept: dict[str, Any] = json.loads(reference.CONTRACTS.read_text(encoding="utf-8"))
    assert changes(kept, reference.contracts()) == [], "run `make reference`, and tell it in CHANGELOG.md"
    assert reference.CONTRACTS.read_text(encoding="utf-8") == reference.contracts_text()


@pytest.mark.parametrize("tool", sorted(reference.contracts()))
def test_the_changelog_knows_each_tool_as_it_is(tool: str) -> None:
    told = re.findall(rf"^- `{tool}` \(`(\w+)`\): \S", CHANGELOG, re.MULTILINE)
    fingerprint = reference.fingerprint(reference.contracts()[tool])
    assert told[:1] == [fingerprint], (
        f"{tool} has changed: say how under Unreleased, Tools, of CHANGELOG.md, as\n- `{tool}` (`{fingerprint}`): …"
    )


def test_the_changelog_says_which_tools_were_removed() -> None:
    told = dict(reversed(re.findall(r"^- `(\w+)` \(`(\w+)`\):", CHANGELOG, re.MULTILINE)))
    gone = {tool: last for tool, last in told.items() if tool not in reference.contracts()}
    assert all(last == "removed" for last in gone.values()), "say so under Tools, as - `name` (`removed`): …"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["a b is no longer 1 but 2"]),
        ({"a": {"b": 1}}, {"a": {}}, ["a b was removed"]),
        ({}, {"a": {"b": 1}}, ["a was added"]),
        ({"a": {"b": [1]}}, {"a": {"b": [1]}}, []),
    ],
)
def test_a_change_is_named(before: object, after: object, expected: list[str]) -> None:
    assert changes(before, after) == expected
