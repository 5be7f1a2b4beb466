"""The files of the schema and of the queries: how steps are read, and that every file is well formed."""

import ast
import hashlib
import re
from importlib.metadata import version
from pathlib import Path

import pytest

import zava.adapters.postgres
from zava.adapters.postgres.migrate import Step, read_steps, schema_root

PACKAGE = Path(zava.adapters.postgres.__path__[0])
SCHEMA = Path(str(schema_root()))
SERIES = sorted(folder.name for folder in SCHEMA.iterdir() if folder.is_dir())
STEPS = [step for series in SERIES for step in read_steps(series)]
QUERIES = sorted((PACKAGE / "queries").iterdir())


def names(step: Step) -> str:
    return f"{step.series}/{step.name}"


def numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))


def step_of(tmp_path: Path, text: str) -> Step:
    file = tmp_path / "0001_shop.sql"
    file.write_text(text, encoding="utf-8")
    return Step.read("migrations", file)


def loaded_queries() -> set[str]:
    """The names that the modules of the package call load() or Question.load() with."""
    return {
        node.args[0].value
        for module in PACKAGE.glob("*.py")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"load", "Question.load"}
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def test_steps_come_in_the_order_of_their_numbers_whatever_else_lies_there(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    for name in ("10_last.sql", "2_second.sql", "0001_first.sql", "README.md", "0003_notes.sql.orig"):
        (tmp_path / "migrations" / name).write_text("SELECT 1;", encoding="utf-8")
    steps = read_steps("migrations", tmp_path)
    assert [(step.series, step.version, step.name) for step in steps] == [
        ("migrations", 1, "0001_first.sql"),
        ("migrations", 2, "2_second.sql"),
        ("migrations", 10, "10_last.sql"),
    ]


def test_a_step_is_known_by_the_hash_of_its_text(tmp_path: Path) -> None:
    text = "-- Prices in €.\nSELECT 1;\n"
    step = step_of(tmp_path, text)
    assert step.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert step.sha256 != step_of(tmp_path, text + "\n").sha256


@pytest.mark.parametrize(
    ("text", "oldest"),
    [
        ("-- Shop.\n-- oldest-server: 1.12.0\nSELECT 1;", "1.12.0"),
        ("-- oldest-server: 0.1.0", "0.1.0"),
        ("-- Shop.\nSELECT '-- oldest-server: 9.9.9';", "0"),
        ("-- The oldest-server: 1.2.3 is meant", "0"),
        ("SELECT 1;", "0"),
    ],
)
def test_a_step_names_the_oldest_server_that_can_live_with_it(tmp_path: Path, text: str, oldest: str) -> None:
    assert step_of(tmp_path, text).oldest_server == oldest


@pytest.mark.parametrize(
    ("text", "transactional"),
    [
        ("-- Shop.\n-- no-transaction\nCREATE INDEX CONCURRENTLY name ON shop (name);", False),
        ("-- Shop.\nSELECT 1;", True),
        ("-- There is no-transaction here.\nSELECT 1;", True),
        ("-- no-transaction would be wrong here\nSELECT 1;", True),
    ],
)
def test_a_step_runs_in_a_transaction_unless_it_says_otherwise(
    tmp_path: Path,
    text: str,
    transactional: bool,  # noqa: FBT001
) -> None:
    assert step_of(tmp_path, text).transactional is transactional


def test_the_schema_has_its_series() -> None:
    assert {"install", "migrations", "vector"} <= set(SERIES)


@pytest.mark.parametrize("series", SERIES)
def test_the_steps_of_a_series_are_numbered_without_gaps(series: str) -> None:
    steps = read_steps(series)
    assert [step.version for step in steps] == list(range(1, len(steps) + 1))


@pytest.mark.parametrize("step", STEPS, ids=names)
def test_a_step_has_a_number_and_a_name(step: Step) -> None:
    assert re.fullmatch(r"[0-9]{4}_[a-z][a-z0-9_]*\.sql", step.name)


@pytest.mark.parametrize("step", STEPS, ids=names)
def test_the_first_line_of_a_step_says_what_it_is_for(step: Step) -> None:
    first_line = step.text.splitlines()[0]
    assert re.fullmatch(r"-- [A-Zp].{15,}", first_line)
    assert len(first_line.split()) >= 5


@pytest.mark.parametrize("step", [step for step in STEPS if step.series != "install"], ids=names)
def test_a_migration_names_an_oldest_server_that_has_been_released(step: Step) -> None:
    assert re.search(r"^-- oldest-server: [0-9]+\.[0-9]+\.[0-9]+$", step.text, re.MULTILINE)
    assert numbers(step.oldest_server) <= numbers(version("zava"))


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.stem)
def test_the_first_line_of_a_query_is_the_question_it_answers(query: Path) -> None:
    first_line = query.read_text(encoding="utf-8").splitlines()[0]
    assert re.match(r"-- [A-Z].*\?", first_line)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.stem)
def test_every_query_is_asked_by_some_module(query: Path) -> None:
    assert query.suffix == ".sql"
    assert query.stem in loaded_queries()
